import { describe, expect, test } from "bun:test";
import { parseBatch } from "../src/batch-file.ts";
import { SERVER_OPTIONS } from "../src/server-options.ts";
import { UsageError } from "../src/usage-error.ts";

const LOBBY = { port: 25570, netns: "lobby", group: "main", containerPort: 25566, force: true };
const AUTO = { port: "auto", container: "games" } as const;

describe("a batch", () => {
  test("is a JSON object on each line, or an array of objects; blank lines are ignored", () => {
    const lines = `${JSON.stringify(LOBBY)}\n\n  ${JSON.stringify(AUTO)}\r\n`;
    expect(parseBatch(lines)).toEqual([LOBBY, AUTO]);
    expect(parseBatch(`\n${JSON.stringify([LOBBY, AUTO], null, 2)}`)).toEqual([LOBBY, AUTO]);
    expect(parseBatch("\n \n")).toEqual([]);
    expect(parseBatch("[]")).toEqual([]);
  });

  test.each([
    ['{"port": 1', "line 1 is not JSON"],
    ['{"port": 1, "netns": "a"}\n7', "line 2 is not a JSON object"],
    ['{"port": 1}\n[1]', "line 2 is not a JSON object"],
    ['[{"port": 1}, null]', "entry 2 is not a JSON object"],
    ['[{"port": 1}', "the file is not JSON"],
    ['{"netns": "a"}', "line 1: port is missing"],
    ['{"port": 1, "game-port": 2}', 'line 1: unknown key "game-port"'],
    ['{"port": 1, "owner": "cni:x"}', 'line 1: unknown key "owner"'],
    ['{"port": 1, "toString": 2}', 'line 1: unknown key "toString"'],
    ['{"port": "25570"}', 'line 1: port is "25570": expected a number, or "auto"'],
    ['{"port": 1, "mtu": "9000"}', 'line 1: mtu is "9000": expected a number'],
    ['{"port": 1, "name": null}', "line 1: name is null: expected a string"],
    ['{"port": 1, "force": 1}', "line 1: force is 1: expected true or false"],
  ])("%s is refused, with the line or entry", (text, message) => {
    expect(() => parseBatch(text)).toThrow(UsageError);
    expect(() => parseBatch(text)).toThrow(message);
  });

  test.each([
    ["gamePort", "containerPort"],
    ["game-port", "containerPort"],
    ["--container-ip", "containerAddress"],
    ["hostIp", "gatewayAddress"],
    ["netsn", "netns"],
  ])("%s is answered with the key %s, and all keys", (key, meant) => {
    const parse = () => parseBatch(JSON.stringify({ port: 1, [key]: 1 }));
    expect(parse).toThrow(
      expect.objectContaining({ hint: expect.stringContaining(`did you mean ${meant}?`) as string }),
    );
    for (const option of Object.keys(SERVER_OPTIONS)) {
      expect(parse).toThrow(expect.objectContaining({ hint: expect.stringContaining(option) as string }));
    }
  });
});
