/** `bun build/objects.ts`: compiles every program of `bpf/` into src/objects.gen.ts. */
import { Buffer } from "node:buffer";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { BuildError, findToolchain } from "../src/bpf2ts/clang.ts";
import { compileOurs, programFamilies } from "./families.ts";

const TARGET = join(import.meta.dirname, "../src/objects.gen.ts");

try {
  const toolchain = findToolchain();
  const lines = programFamilies().map((name) => {
    const object = compileOurs(toolchain, `${name}.bpf.c`);
    console.log(`bpf/${name}.bpf.c: ${object.byteLength} bytes`);
    return `  ${name}: "${Buffer.from(object).toString("base64")}",\n`;
  });
  writeFileSync(
    TARGET,
    `// Written by build/objects.ts from bpf/*.bpf.c: not committed, do not edit.\n\n` +
      `/** ELF objects in base64. */\nexport const encodedObjects = {\n${lines.join("")}} as const;\n`,
  );
} catch (error) {
  if (!(error instanceof BuildError)) throw error;
  console.error(`build: ${error.message}${error.hint === undefined ? "" : `\nhint: ${error.hint}`}`);
  process.exitCode = 1;
}
