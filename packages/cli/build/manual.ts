/** Writes dist/dp.1, the man page. */
import { writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import packageJson from "../package.json" with { type: "json" };
import { commands } from "../src/run.ts";
import { manPage } from "./man-page.ts";
import { sourceDate } from "./source-date.ts";

const file = join(dirname(import.meta.dir), "dist", "dp.1");
writeFileSync(file, manPage(commands(), { version: packageJson.version, date: sourceDate() }));
