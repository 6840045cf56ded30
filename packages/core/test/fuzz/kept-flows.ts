/**
 * Steps after which the proxy's programs and their model once differed, to be taken for ever, each with what was wrong.
 * The fuzzer prints new ones in this form.
 */
import type { Step } from "./flow-steps.ts";

export interface KeptFlows {
  /** What was wrong. */
  was: string;
  steps: readonly Step[];
}

export const KEPT_FLOWS: readonly KeptFlows[] = [
  {
    was: "a packet from a listener's port on an unknown address came as if from the original destination",
    steps: [
      { listen: [9080, 8853, 8888] },
      {
        program: "container",
        frame:
          "7e90c4eddfd002000000000a08004500002b1234000040069c600a020002c00002359c42001601020304050607085002faf068e40000" +
          "6f6464",
      },
      {
        program: "host",
        frame:
          "02000000000a7e90c4eddfd008004500002800030000400666c7c00002c80a02000222b89c4201020304050607085010faf0d1ce0000",
      },
    ],
  },
  {
    was: "a flow whose port was another's by now went on as that one",
    steps: [
      {
        program: "container",
        frame:
          "7e90c4eddfd002000000000a08004500003d1234000040119c430a020002c000023563dd00350029cfc8787878787878787878787878" +
          "787878787878787878787878787878787878787878",
      },
      { lose: "origin", of: "5:25565 192.0.2.53:53/17/0" },
      {
        program: "container",
        frame:
          "7e90c4ed9fd002000000000a0800470000271234000040119c610a020002c0000335940007949494948363dd0035000b00006f646400",
        cutTo: 53,
      },
      { listen: [9080, 8853, 8888] },
      {
        program: "container",
        frame:
          "7e90c4eddfd002000000000a08004500001f1234000040119c610a020002c000023563dd0035000bfc276f6464000000000000000000",
        cutTo: 45,
      },
    ],
  },
  {
    was: "a reset of what an earlier flow had left ended the later one, which has another port",
    steps: [
      {
        program: "container",
        frame:
          "7e90c4eddfd002000000000b08004a00003f12340000400623ea0a020003c63364500713040000000000000000000000000000000000" +
          "0035003501020304050607085002faf09c8300006f6464",
      },
      { lose: "flow", of: "6:53 198.51.100.80:53/6/0" },
      {
        program: "container",
        frame:
          "7e90c4eddfd002000000000b08004500002812340000400634140a020003c63364500035003501020304050607085002faf06feb0000",
      },
      {
        program: "host",
        ifindex: 22,
        frame:
          "02000000000b7e90c4eddfd008004500002b00010000400666c40a0100030a020003235d003501020304050607085014faf099c90000" +
          "6f6464",
      },
    ],
  },
];
