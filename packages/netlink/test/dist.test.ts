/** The package as it is published: the compiled JavaScript, under Node. */
import { expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { NetworkNamespace } from "@dp/test-kit/network-namespace.ts";
import { requireRoot } from "@dp/test-kit/require-root.ts";

requireRoot();

const packageFolder = fileURLToPath(new URL("..", import.meta.url));

/** Runs an ES module inside this package, where its name resolves as it does for a user. */
function node(script: string, ...args: string[]): unknown {
  if (!existsSync(`${packageFolder}/dist/index.js`)) {
    throw new Error("there is no dist/ yet: `bunx turbo run build --filter=@dp/netlink` makes it");
  }
  const result = spawnSync("node", ["--input-type=module", "-e", script, ...args], {
    cwd: packageFolder,
    encoding: "utf8",
  });
  if (result.status !== 0) throw new Error(`node: ${result.error?.message ?? result.stderr}`);
  return JSON.parse(result.stdout);
}

test("under Node the built package makes a veth pair, lists it and explains a refusal", () => {
  using namespace = new NetworkNamespace();
  const script = `
    import { Netlink, NetlinkError, openNamespace } from "@dp/netlink";
    import { linkMessage } from "@dp/netlink/codec";
    const namespace = openNamespace(process.argv[1]);
    const netlink = Netlink.open({ netns: namespace.fd });
    const end = (n) => ({ name: "dp" + n, mac: "02:00:00:00:00:0" + n });
    netlink.createVeth({ ...end(1), peer: end(2) });
    let refusal;
    try {
      netlink.createVeth({ ...end(1), peer: end(2) });
    } catch (error) {
      refusal = error instanceof NetlinkError && error.message;
    }
    const links = netlink.links().map(({ name, mac }) => [name, mac]);
    netlink.close();
    namespace.fd.close();
    process.stdout.write(JSON.stringify({ links, refusal, codec: typeof linkMessage.read }));
  `;
  expect(node(script, namespace.name)).toEqual({
    links: expect.arrayContaining([
      ["lo", "00:00:00:00:00:00"],
      ["dp1", "02:00:00:00:00:01"],
      ["dp2", "02:00:00:00:00:02"],
    ]),
    refusal: "create veth pair dp1 and dp2: an interface named dp1 exists already (EEXIST)",
    codec: "function",
  });
  expect(namespace.ipJson("link", "show")).toHaveLength(3);
});
