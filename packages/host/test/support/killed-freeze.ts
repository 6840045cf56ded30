/** Freezes or thaws, and is killed before one of its steps: `killed-freeze.ts freeze|thaw STEP PIN_ROOT PORT`. */
import { freezeServer, thawServer } from "../../src/index.ts";

const [command, deadly, pinRoot, port] = process.argv.slice(2);
const change = command === "freeze" ? freezeServer : thawServer;
await change(
  { port: Number(port) },
  {
    pinRoot,
    onStep: (step) => {
      if (step === deadly) process.kill(process.pid, "SIGKILL");
    },
  },
);
