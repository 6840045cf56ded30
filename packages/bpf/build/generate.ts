/**
 * `bun run generate`: writes src/layout.gen.ts from the BTF of `bpf/`, with the bpf2ts that this package ships.
 * `bun run generate --check`: changes nothing; shows the difference and fails if there is one.
 */
import { join } from "node:path";
import { run, type Terminal } from "../src/bpf2ts/command.ts";
import { BPF_DIRECTORY, programFamilies, STRICT } from "./families.ts";

/** bpf/layout.c has the enums that no program's BTF does. */
const inputs = ["layout.c", ...programFamilies().map((name) => `${name}.bpf.c`)].map((file) =>
  join(BPF_DIRECTORY, file),
);

const TARGET = join(import.meta.dirname, "../src/layout.gen.ts");

/** Runs bpf2ts for this package: its exit code. */
export function generateLayouts(terminal: Terminal, more: readonly string[] = []): number {
  const options = [
    "--output",
    TARGET,
    "--import",
    "./layout/index.ts",
    "--enum",
    "dp_*",
    "--address",
    "dp_addr",
    "--counted",
    "dp_record.forwards=forward_count",
    "--counted",
    "dp_server.forwards=forward_count",
    "--explicit-padding",
  ];
  return run([...inputs, ...options, ...more, "--", ...STRICT], terminal);
}

if (import.meta.main) {
  process.exitCode = generateLayouts(
    { out: (text) => process.stdout.write(text), err: (text) => process.stderr.write(text) },
    process.argv.slice(2),
  );
}
