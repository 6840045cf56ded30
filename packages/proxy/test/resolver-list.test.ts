import { afterAll, afterEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { formatResolver, parseResolvConf, parseResolver, ResolverList } from "../src/dns/resolver-list.ts";
import type { Endpoint } from "../src/endpoint.ts";

const exclude = () => false;
const folder = mkdtempSync(join(tmpdir(), "dp-resolv-"));
const file = join(folder, "resolv.conf");
afterEach(() => rmSync(file, { force: true }));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("a given resolver", () => {
  test.each([
    ["9.9.9.9", "9.9.9.9:53"],
    ["127.0.0.1:5353", "127.0.0.1:5353"],
    ["2620:fe::fe", "[2620:fe::fe]:53"],
    ["[::1]:54", "[::1]:54"],
  ])("may be %p", (text, formatted) => expect(formatResolver(parseResolver(text))).toBe(formatted));

  test.each(["", "dns.example", "1.2.3.4:0", "1.2.3.4:65536", "1.2.3.4:", "[1.2.3.4]:53", "1.2.3:53", "9.9.9.9 "])(
    "may not be %p",
    (text) => expect(() => parseResolver(text)).toThrow("not the address of a resolver"),
  );
});

describe("resolv.conf", () => {
  test("names the first three addresses; comments and other lines are skipped", () => {
    const text =
      "# nameserver 1.1.1.1\nsearch example.org\nnameserver 10.0.0.1\nnameserver\t2001:db8::1 # v6\n" +
      "nameserver nonsense\n nameserver 9.9.9.9\nnameserver 10.0.0.2\nnameserver 10.0.0.3\noptions edns0\n";
    expect(parseResolvConf(text).map(formatResolver)).toEqual(["10.0.0.1:53", "[2001:db8::1]:53", "10.0.0.2:53"]);
  });

  test("is read again when it changes; without the file the resolver is 127.0.0.1", () => {
    let now = 0;
    const list = new ResolverList({ resolvConf: file, exclude, now: () => now });
    const names = () => list.inOrder().map(formatResolver);
    expect(names()).toEqual(["127.0.0.1:53"]);
    writeFileSync(file, "nameserver 10.0.0.1\n");
    expect(names()).toEqual(["127.0.0.1:53"]);
    now += 5001;
    expect(names()).toEqual(["10.0.0.1:53"]);
    writeFileSync(file, "nameserver 10.0.0.1\nnameserver 10.0.0.2\n");
    now += 5001;
    expect(names()).toEqual(["10.0.0.1:53", "10.0.0.2:53"]);
  });

  test("may name the proxy itself, which is then not asked", () => {
    writeFileSync(file, "nameserver 127.0.0.1\nnameserver 10.0.0.1\n");
    const list = new ResolverList({ resolvConf: file, exclude: ({ address }) => address === "127.0.0.1" });
    expect(list.inOrder().map(formatResolver)).toEqual(["10.0.0.1:53"]);
  });
});

describe("the order of resolvers", () => {
  test("puts those at the end that failed in the last half minute", () => {
    let now = 0;
    const list = new ResolverList({ given: ["1.1.1.1", "2.2.2.2", "3.3.3.3"], exclude, now: () => now });
    const first = list.inOrder()[0] as Endpoint;
    list.markFailed(first);
    expect(list.inOrder().map(({ address }) => address)).toEqual(["2.2.2.2", "3.3.3.3", "1.1.1.1"]);
    now += 30_001;
    expect(list.inOrder().map(({ address }) => address)).toEqual(["1.1.1.1", "2.2.2.2", "3.3.3.3"]);
    list.markFailed(first);
    list.markAnswered(first);
    expect(list.inOrder()[0]?.address).toBe("1.1.1.1");
  });

  test("a given resolver that is the proxy itself is bad usage", () => {
    expect(() => new ResolverList({ given: ["127.0.0.1:9053"], exclude: () => true })).toThrow("own DNS listener");
  });
});
