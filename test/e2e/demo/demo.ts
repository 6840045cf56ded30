/**
 * The main job from beginning to end: a player reaches a real Minecraft server in a container through a port of the
 * host, and the container reaches the internet through the host's proxy. `tools/demo` runs it in a sandbox; the
 * topology is drawn below.
 */
import { dirname } from "node:path";
import { inventory } from "@dp/test-kit/inventory.ts";
import { withResolver } from "../internet/with-resolver.ts";
import { DP } from "../topology/dp.ts";
import { Internet, PLAYER_ADDRESSES, PUBLIC_ADDRESS } from "../topology/internet.ts";
import { UnexpectedResult, Story } from "./story.ts";

const VERSION = "1.21.4";
const PORT = "25570";
const CLIENT = ["bun", "test/e2e/minecraft/client.ts", VERSION, PUBLIC_ADDRESS, PORT];
const [PLAYER_ADDRESS] = PLAYER_ADDRESSES;

/** Out on the internet: a web server, and the resolver that knows its name. */
const [WEB, RESOLVER, SITE] = ["192.0.2.80", "192.0.2.53", "www.example.test"] as const;
/**
 * What the container has in its resolv.conf. No computer has that address here: the proxy asks a resolver of its own.
 */
const PUBLIC_RESOLVER = "9.9.9.9";

const story = new Story();

async function tell(): Promise<void> {
  story.say(
    "A player, the internet, a host and a container, each a network namespace of its own:",
    "",
    "    player ──────────── internet ──────────── host ─ ─ ─ ─ ─ container",
    `    ${PLAYER_ADDRESS}       routes             ${PUBLIC_ADDRESS}         no network yet`,
  );
  await using net = await Internet.create();
  const { host, dp } = net;
  const [player, container] = [net.player(), net.container()];
  process.env["DP_PIN_ROOT"] = dp.pinRoot;
  process.env["PATH"] = `${dirname(DP)}:${process.env["PATH"]}`;

  story.say("", `Pins go to a bpffs of the demo's own: DP_PIN_ROOT=${dp.pinRoot}`);

  story.chapter("A Minecraft server starts in the container");
  const server = story.start(container, ["bun", "test/e2e/minecraft/server.ts", VERSION, "25565"]);
  story.output(JSON.stringify(await server.event("listening")));
  story.check(
    "it listens, and cannot be reached: the container has only a loopback interface",
    (await container.links()).length,
    1,
  );

  story.chapter("The host loads the datapath on its uplink");
  await story.command(host, ["dp", "load"]);
  story.check("programs, maps and links are pinned: no process has to run", await pinned(), true);

  story.chapter(`The host puts the container behind its port ${PORT}`);
  await story.command(host, ["dp", "add-server", "--port", PORT, "--netns", "container", "--name", "lobby"]);

  story.chapter("A player asks for the server's status, as the game's server list does");
  const {
    events: [status],
  } = await story.command(player, [...CLIENT, "ping"]);
  story.check(
    "the server in the container answered",
    [status?.["description"], status?.["version"]],
    ["A server behind datapath", VERSION],
  );

  story.chapter("The player joins and says hello");
  const { events } = await story.command(player, [...CLIENT, "join", "Steve", "hello from afar"]);
  story.check("Steve is in the game", events.find(({ event }) => event === "joined")?.["username"], "Steve");
  story.check(
    "the server heard and answered",
    events.find(({ event }) => event === "chat")?.["message"],
    "Steve said: hello from afar",
  );
  story.say("Meanwhile on the server:");
  const login = await server.event("login");
  story.output(JSON.stringify(login));
  story.check(`the server saw the player's own address, ${PLAYER_ADDRESS}`, login["address"], PLAYER_ADDRESS);

  story.chapter("The container fetches a page by name, through the host's proxy");
  await net.router.ip(`address add ${WEB}/32 dev lo`, `address add ${RESOLVER}/32 dev lo`);
  const web = story.start(net.router, ["bun", "test/e2e/internet/web.ts", WEB, "80"]);
  const resolver = story.start(net.router, ["bun", "test/e2e/internet/resolver.ts", RESOLVER, `${SITE}=${WEB}`]);
  const proxy = story.start(host, ["dp", "proxy", "--dns", RESOLVER]);
  for (const each of [web, resolver]) await each.event("listening");
  story.output(await proxy.line(/ listening: /));
  const fetch = ["bun", "test/e2e/internet/fetch.ts", `http://${SITE}/`];
  const fetched = await story.command(container, fetch, { actual: withResolver(PUBLIC_RESOLVER, fetch) });
  story.check("the container got the page", fetched.stdout, `A page of ${SITE}\n`);
  story.say(`It asked ${PUBLIC_RESOLVER}, as its resolv.conf says. What the proxy's log says:`);
  story.output(await proxy.line(/ dns\/udp /));
  const line = await proxy.line(/ http /);
  story.output(line);
  const where = new RegExp(
    `^\\S+ lobby http 10\\.2\\.0\\.1:\\d+ -> ${WEB}:80 closed host=${SITE} out=[1-9]\\d* in=[1-9]\\d* `,
  );
  story.check("whose connection it was, where it went, by which name, and its bytes", where.test(line), true);
  const request = await web.event("request");
  story.check(`the web server saw the host's address, ${PUBLIC_ADDRESS}`, request["from"], PUBLIC_ADDRESS);

  story.chapter("What the host knows");
  await story.command(host, ["dp", "list"]);
  await story.command(host, ["dp", "show", "lobby"]);
  const [listed] = await dp.list();
  const { flows } = await dp.json<{ flows: number }>("show", "lobby");
  story.check("what the container opened is counted with its server", flows > 1, true);
  story.check(
    "one server, active",
    [listed?.forwards[0].port, listed?.name, listed?.state],
    [Number(PORT), "lobby", "active"],
  );

  story.chapter("The host takes the server away again");
  proxy.kill("SIGTERM");
  story.check("the proxy stops when it is told to", (await proxy.finished()).code, 0);
  await story.command(host, ["dp", "del-server", "lobby"]);
  const refused = await story.command(player, [...CLIENT, "ping"], { expected: "failure" });
  story.check("the player's connection is refused", refused.events[0]?.["reason"], "ECONNREFUSED");
  story.check("the server still runs, in a container without a network", (await container.links()).length, 1);

  story.chapter("The host unloads the datapath");
  await story.command(host, ["dp", "unload"]);
  story.check("nothing is pinned any more", await pinned(), false);
  story.check("the host has its own interfaces only", (await host.links()).map(({ ifname }) => ifname).sort(), [
    "eth0",
    "lo",
  ]);
}

async function pinned(): Promise<boolean> {
  return (await inventory()).some((each) => each.startsWith("pin "));
}

const start = performance.now();
const before = await inventory();
try {
  await tell();
  const left = (await inventory()).filter((each) => !before.includes(each) && !each.startsWith("open file"));
  story.check("and nothing is left behind", left, []);
  story.say("", `All as it should be, in ${((performance.now() - start) / 1000).toFixed(1)} s.`);
} catch (error) {
  const why = error instanceof UnexpectedResult || !(error instanceof Error) ? String(error) : error.stack;
  process.stderr.write(`\ndemo: failed: ${why}\n`);
  process.exitCode = 1;
}
