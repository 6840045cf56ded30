import { describe, expect, test } from "bun:test";
import type { ServerSelector } from "@dp/host";
import { parseServer } from "../src/server-selector.ts";
import { UsageError } from "../src/usage-error.ts";

describe("the word SERVER", () => {
  test.each<[string, ServerSelector]>([
    ["lobby", { name: "lobby" }],
    ["server-25570", { name: "server-25570" }],
    ["7", { port: 7 }],
    ["25570", { port: 25570 }],
    ["25570/udp", { port: 25570, protocol: "udp" }],
    ["203.0.113.10:25570", { address: "203.0.113.10", port: 25570 }],
    ["203.0.113.10:25570/tcp", { address: "203.0.113.10", port: 25570, protocol: "tcp" }],
    ["[2001:db8::10]:25570", { address: "2001:db8::10", port: 25570 }],
    ["[2001:db8::10]:25570/udp", { address: "2001:db8::10", port: 25570, protocol: "udp" }],
    ["id:7", { id: 7 }],
    // Without a port, an address is a name like any other: it has the characters of one.
    ["203.0.113.10", { name: "203.0.113.10" }],
  ])("%s is %j", (word, selector) => expect(parseServer(word)).toEqual(selector));

  test.each([
    ["", "it cannot be a name"],
    [" lobby", "it cannot be a name"],
    ["_lobby", "it cannot be a name"],
    ["id:", '"" is not a whole number'],
    ["id:-1", '"-1" is not a whole number'],
    ["id:7/tcp", '"7/tcp" is not a whole number'],
    ["lobby/tcp", "it has a protocol, but no port"],
    ["/tcp", "it has a protocol, but no port"],
    ["25570/", 'the protocol "" is not tcp or udp'],
    ["25570/TCP", 'the protocol "TCP" is not tcp or udp'],
    ["25570/tcp/udp", 'the protocol "tcp/udp" is not tcp or udp'],
    ["/run/netns/lobby", 'the protocol "run/netns/lobby" is not tcp or udp'],
    ["203.0.113.10:", 'the port "" is not a whole number'],
    ["203.0.113.10:http", 'the port "http" is not a whole number'],
    ["203.0.113.10:25570-25580", 'the port "25570-25580" is not a whole number'],
    [":25570", "the address is empty"],
    ["2001:db8::10:25570", "an IPv6 address stands in brackets"],
    ["[2001:db8::10]", "it has an address, but no port"],
    ["[2001:db8::10]/udp", "it has an address, but no port"],
    ["[2001:db8::10:25570", "an IPv6 address stands in brackets"],
    ["[203.0.113.10]:25570", "only an IPv6 address stands in brackets"],
    ["[]:25570", "the brackets do not match"],
    ["203.0.113.10]:25570", "the brackets do not match"],
  ])("%j is refused, with the reason", (word, reason) => {
    expect(() => parseServer(word)).toThrow(UsageError);
    expect(() => parseServer(word)).toThrow(reason);
  });
});
