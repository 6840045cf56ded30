/**
 * A real Minecraft client (minecraft-protocol).
 *
 *     bun minecraft/client.ts VERSION ADDRESS PORT ping
 *         event status {description, version, players, maxPlayers, latency}
 *     bun minecraft/client.ts VERSION ADDRESS PORT join NAME MESSAGE [SECONDS]
 *         events joined {username}, then chat {message} for what the server answers to MESSAGE; stays for SECONDS
 *
 * Exit status 1 when it does not get in or is thrown out: event failed {reason}.
 */
import { createClient, ping } from "minecraft-protocol";

const [version, host, port, verb, username, message, seconds = "0"] = process.argv.slice(2) as [
  string,
  string,
  string,
  "ping" | "join",
  string,
  string,
  string?,
];

const tell = (event: string, fields: object = {}) => console.log(JSON.stringify({ event, ...fields }));

function fail(reason: string): never {
  tell("failed", { reason });
  process.exit(1);
}

async function readStatus(): Promise<void> {
  const answer = await ping({ host, port: Number(port), version, closeTimeout: 10_000 });
  if (!("players" in answer)) fail("an answer of before 1.7");
  const { description, players } = answer;
  tell("status", {
    description: typeof description === "string" ? description : description?.text,
    version: answer.version.name,
    players: players.online,
    maxPlayers: players.max,
    latency: answer.latency,
  });
}

function join(): void {
  const client = createClient({ host, port: Number(port), version, username, auth: "offline", keepAlive: true });
  let heard = false;
  const hear = (text: unknown) => {
    if (heard || !JSON.stringify(text).includes(message)) return;
    heard = true;
    tell("chat", { message: plain(text) });
    setTimeout(() => process.exit(0), Number(seconds) * 1000);
  };
  client.on("login", () => {
    tell("joined", { username: client.username });
    if (client.chat === undefined) client.write("chat", { message });
    else client.chat(message);
  });
  client.on("systemChat", ({ formattedMessage }) => hear(formattedMessage));
  client.on("playerChat", (said) => hear(said.formattedMessage ?? said.plainMessage));
  client.on("kick_disconnect", (packet: { reason: unknown }) => fail(plain(packet.reason)));
  client.on("disconnect", (packet: { reason: unknown }) => fail(plain(packet.reason)));
  client.on("error", (error: NodeJS.ErrnoException) => fail(error.code ?? error.message));
  client.on("end", (reason: string) => fail(reason));
}

/** The text of a chat component. */
function plain(component: unknown): string {
  let value = component;
  try {
    value = JSON.parse(component as string);
  } catch {
    // plain text already
  }
  if (typeof value === "object" && value !== null && "text" in value) return String(value.text);
  return typeof value === "string" ? value : JSON.stringify(value);
}

if (verb === "ping") await readStatus().catch((error: NodeJS.ErrnoException) => fail(error.code ?? error.message));
else join();
