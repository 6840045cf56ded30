/**
 * A real Minecraft server (minecraft-protocol) without a world to speak of: it answers the server list's ping, lets
 * players join, and repeats what they say in chat. Tells what happens, and from which address, as JSON lines.
 *
 *     bun minecraft/server.ts VERSION PORT
 */
import minecraftData from "minecraft-data";
import { createServer, type ServerClient } from "minecraft-protocol";
import nbt from "prismarine-nbt";

const [version, port] = process.argv.slice(2) as [string, string];

const tell = (event: string, fields: object = {}) => console.log(JSON.stringify({ event, ...fields }));

const data = minecraftData(version);

function say(client: ServerClient, text: string): void {
  const content = data.supportFeature("chatPacketsUseNbtComponents")
    ? nbt.comp({ text: nbt.string(text) })
    : JSON.stringify({ text });
  // Since 1.19 the server's own messages have a packet of their own.
  if (data.supportFeature("signedChat")) client.write("system_chat", { content, isActionBar: false });
  else client.write("chat", { message: content, position: 1, sender: "00000000-0000-0000-0000-000000000000" });
}

const server = createServer({
  version,
  port: Number(port),
  host: "0.0.0.0",
  motd: "A server behind datapath",
  maxPlayers: 20,
  "online-mode": false,
  enforceSecureProfile: false,
});

server.on("listening", () => tell("listening", { version, port: Number(port) }));
server.on("error", (error) => tell("error", { message: error.message }));
server.on("connection", (client) => tell("connection", { address: client.socket.remoteAddress }));
server.on("playerJoin", (client) => {
  tell("login", { username: client.username, address: client.socket.remoteAddress, port: client.socket.remotePort });
  client.write("login", {
    ...data.loginPacket,
    enforceSecureChat: false,
    entityId: client.id,
    isHardcore: false,
    gameMode: 0,
    previousGameMode: 1,
    hashedSeed: [0, 0],
    maxPlayers: server.maxPlayers,
    viewDistance: 2,
    reducedDebugInfo: false,
    enableRespawnScreen: true,
    isDebug: false,
    isFlat: true,
  });
  const hear = ({ message }: { message: string }) => {
    tell("chat", { username: client.username, message });
    say(client, `${client.username} said: ${message}`);
  };
  client.on("chat", hear); // to 1.18.2
  client.on("chat_message", hear); // from 1.19
  client.on("end", () => tell("left", { username: client.username }));
});
