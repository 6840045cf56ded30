// bun compile.ts PROGRAM.ts FILE: makes one executable file of a program, with Bun and the BPF object in it.
import type { BunPlugin } from "bun";

const [program, outfile] = process.argv.slice(2);
if (program === undefined || outfile === undefined) throw new Error("usage: bun compile.ts PROGRAM.ts FILE");

/** koffi looks for its native module at run time, where no bundler sees it: here it is named, and so comes along. */
const embedKoffi: BunPlugin = {
  name: "embed koffi's native module",
  setup(build) {
    const module = `@koromix/koffi-linux-${process.arch}/linux_${process.arch}/koffi.node`;
    build.onLoad({ filter: /\/koffi\/src\/koffi\/src\/static\.js$/ }, () => ({
      loader: "js",
      contents: `import native from "${module}";\nexport const loadStatic = () => native;\n`,
    }));
  },
};

await Bun.build({ entrypoints: [program], compile: { outfile }, plugins: [embedKoffi] });
