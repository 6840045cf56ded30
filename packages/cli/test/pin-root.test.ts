/** Pin roots that cannot be used. */
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { execute } from "@dp/test-kit/program.ts";
import { EXECUTABLE, HostNamespace, requireExecutable } from "./support/host-namespace.ts";

requireExecutable();
setDefaultTimeout(60_000);

describe("a pin root", () => {
  test.each([
    ["load", "/etc/passwd", 2, "load: cannot use the pin root /etc/passwd: /etc/passwd is not a folder"],
    ["load", "/etc/passwd/x", 2, "load: cannot use the pin root /etc/passwd/x: /etc/passwd is not a folder"],
    ["load", "/sys/kernel/x", 2, "load: cannot use the pin root /sys/kernel/x: folders cannot be created in "],
    ["list", "/etc/passwd", 3, "list servers: datapath is not loaded at /etc/passwd: /etc/passwd is not a folder"],
    ["list", "/nope", 3, "list servers: datapath is not loaded at /nope: there is no such folder"],
  ])("that cannot be used is refused: dp %s --pin-root %s", async (command, path, code, message) => {
    using host = new HostNamespace();
    const outcome = await host.dp([command, "--pin-root", path]);
    expect([outcome.code, outcome.stdout]).toEqual([code, ""]);
    expect(outcome.stderr).toStartWith(`dp: ${message}`);
    expect(outcome.stderr).toContain("\nhint: check --pin-root and DP_PIN_ROOT");
  });

  test("with a relative path is refused, and the absolute path suggested", async () => {
    using host = new HostNamespace();
    for (const command of ["load", "list", "status", "doctor", "repair", "unload"]) {
      const { code, stdout, stderr } = await host.dp([command], { DP_PIN_ROOT: "pins" });
      expect([command, code, stdout]).toEqual([command, 2, ""]);
      expect(stderr).toEndWith(`"pins" is not an absolute path\nhint: did you mean ${process.cwd()}/pins?\n`);
    }
  });

  test("below /sys/fs/bpf, where no bpffs is mounted: load, list and doctor say how to mount one", async () => {
    if (process.env["SANDBOX"] !== "1") throw new Error("this unmounts: run it in tools/sandbox");
    using host = new HostNamespace();
    const script =
      'while mountpoint -q /sys/fs/bpf; do umount --lazy /sys/fs/bpf; done; exec "$@" --pin-root /sys/fs/bpf/x';
    const run = (command: string) =>
      execute([...host.inside, "unshare", "--mount", "sh", "-ec", script, "sh", EXECUTABLE, command]);
    const hint = "mount one: mount -t bpf bpf /sys/fs/bpf\n";
    const load = await run("load");
    expect([load.code, load.stderr.split("hint: ")[1]]).toEqual([2, hint]);
    expect(load.stderr).toContain("cannot use the pin root /sys/fs/bpf/x: no bpffs is mounted on /sys/fs/bpf\n");
    const list = await run("list");
    expect([list.code, list.stderr.split("hint: ")[1]]).toEqual([3, hint]);
    const doctor = await run("doctor");
    expect(doctor.code).toBe(1);
    expect(doctor.stdout).toContain("/sys/fs/bpf/x cannot be used: no bpffs is mounted on /sys/fs/bpf\n");
    expect(doctor.stdout).toContain(`fix: ${hint}`);
  });
});
