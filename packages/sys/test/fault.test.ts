import { expect, test } from "bun:test";

/** Five changes, of which the third to fail is taken back by two more. */
const CHANGES = `
import { beforeChange, injectFaults } from "@dp/sys/fault";
if (process.argv[1] !== undefined) injectFaults(process.argv[1]);
try {
  for (const change of ["one", "two", "three"]) {
    beforeChange("make", change);
    console.log(change);
  }
} catch (error) {
  console.log(error.code, error.message);
  for (const change of ["two", "one"]) {
    beforeChange("take back", change);
    console.log("not", change);
  }
}
`;

function changes(fault?: string) {
  const args = fault === undefined ? [] : ["--", fault];
  const { stdout, stderr, signalCode } = Bun.spawnSync([process.execPath, "-e", CHANGES, ...args], {
    cwd: import.meta.dir,
  });
  return { said: stdout.toString().split("\n").slice(0, -1), stderr: stderr.toString(), signal: signalCode };
}

test("nothing happens unless a test asks for it", () => {
  const all = { said: ["one", "two", "three"], stderr: "" };
  for (const fault of [undefined, "", "nonsense", "kill:4", "fail:0"]) expect(changes(fault)).toMatchObject(all);
});

test("the process is killed before the change that is named by its number", () => {
  expect(changes("kill:2")).toEqual({
    said: ["one"],
    stderr: "killed before change 2: make two\n",
    signal: "SIGKILL",
  });
});

test("a change fails, and the process is killed while it undoes the changes before", () => {
  const failed = "FAILED make three: a test makes it fail";
  expect(changes("fail:3")).toMatchObject({ said: ["one", "two", failed, "not two", "not one"], stderr: "" });
  expect(changes("fail:3,kill:5")).toEqual({
    said: ["one", "two", failed, "not two"],
    stderr: "killed before change 5: take back one\n",
    signal: "SIGKILL",
  });
});
