import { equal, match } from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { PUBLIC_ADDRESS } from "../../../e2e/topology/internet.ts";
import type { Case } from "../case.ts";
import { LOBBY } from "../world.ts";

const INTERNET = join(import.meta.dirname, "../../../e2e/internet");

/**
 * Out on the internet. The container asks another address, which no computer has: the proxy has a resolver of its own.
 */
const [WEB, RESOLVER, OTHER_RESOLVER] = ["192.0.2.80", "192.0.2.53", "9.9.9.9"] as const;
const SITE = "www.example.test";

/** Port 80 goes to the proxy's HTTP listener, any other to the one for TCP. */
const PAGES = [
  { url: `http://${SITE}/`, port: "80", listener: "http" },
  { url: `http://${WEB}:8080/`, port: "8080", listener: "tcp" },
] as const;

export const redirect: Case = {
  name: "redirect by dp proxy",
  async run({ net }) {
    const { router, host, dp } = net;
    await router.ip(`address add ${WEB}/32 dev lo`, `address add ${RESOLVER}/32 dev lo`);
    await using resolver = router.spawn(["bun", join(INTERNET, "resolver.ts"), RESOLVER, `${SITE}=${WEB}`]);
    await resolver.event("listening");
    mkdirSync("/etc", { recursive: true });
    writeFileSync("/etc/resolv.conf", `nameserver ${OTHER_RESOLVER}\n`);
    await using proxy = host.spawn(["env", `DP_PIN_ROOT=${dp.pinRoot}`, "dp", "proxy", "--dns", RESOLVER]);
    await proxy.line(/ listening: /);

    for (const { url, port, listener } of PAGES) {
      await using web = router.spawn(["bun", join(INTERNET, "web.ts"), WEB, port]);
      await web.event("listening");
      const { stdout, stderr } = await net.container(LOBBY.container).run(["bun", join(INTERNET, "fetch.ts"), url]);
      equal(stdout, `A page of ${new URL(url).host}\n`, stderr);
      // Where the container was going, as only SO_ORIGINAL_DST could tell it.
      const line = await proxy.line(new RegExp(` ${listener} .* -> ${WEB}:${port} closed`));
      match(line, new RegExp(`^\\S+ ${LOBBY.container} `));
      equal((await web.event("request"))["from"], PUBLIC_ADDRESS);
    }
    await proxy.line(new RegExp(` dns/udp .* question=${SITE}/A `));
    proxy.kill("SIGTERM");
    equal((await proxy.finished()).code, 0);
  },
};
