/** Runs a change and is killed before one of its steps: `killed.ts add|del STEP PIN_ROOT PORT NETNS`. */
import { addServer, delServer } from "../../src/index.ts";

const [command, deadly, pinRoot, port, netns] = process.argv.slice(2);
const options = {
  pinRoot,
  onStep: (step: string) => {
    if (step === deadly) process.kill(process.pid, "SIGKILL");
  },
};
if (command === "add") await addServer({ ...options, port: Number(port), netns });
else await delServer({ port: Number(port) }, options);
