import { short } from "../report/numbers.ts";

/** Medians in milliseconds, with the fewest servers present. */
export interface Parts {
  /** `dp --version`. */
  readonly version: number;
  /** `dp list`. */
  readonly list: number;
  readonly add: number;
  /** Processor time of `dp add-server`. */
  readonly cpu: number;
  /** One server of a batch. */
  readonly each: number;
}

/** What bounds the time of commands, from the figures. */
export function bounds({ version, list, add, cpu, each }: Parts): string {
  const ms = (value: number) => `${short(Math.max(0, value))} ms`;
  return `
| adding one server | |
| --- | ---: |
| start of the executable (\`dp --version\`) | ${ms(version)} |
| library, native module, libbpf, pins (\`dp list\` without the start) | ${ms(list - version)} |
| the rest of \`dp add-server\` | ${ms(add - list)} |
| **together** | **${ms(add)}** |

The processor time is ${ms(cpu)}; the runtime compiles and collects garbage on threads of its own. One server of a batch
takes ${ms(each)}: the runtime starts once, and the code is compiled by then.

- **Start**: a bare Bun executable takes 5 ms. The executable has bytecode, in chunks that are loaded when a command
  needs them. The native module that makes the system calls takes 2.7 ms to load, with its C++ library.
- **Grace periods**: to attach a program to a TCX hook, the kernel waits for an RCU grace period, with the lock of the
  network configuration held. A server has four such programs. A grace period takes 7 to 15 ms at 250 Hz; expedited, all
  four take 1 ms ([ADR 11](../adr/0011-grace-periods-are-expedited.md)). So does the insert of the player table into an
  array of maps. The veth pair has one queue for each end: to make more queues and take them out of use again, the
  kernel waits twice more.
- **Removing** is bound by the deletion of the veth pair, 10 to 20 ms: the kernel waits until all queued callbacks have
  run (\`rcu_barrier\`), which is never expedited.
- **Servers present** do not matter: a record, an address, a port and a name are looked up, never searched for
  ([ADR 10](../adr/0010-records-have-indexes.md)). Whether the port is in use is found out by binding to it.
- **The plugins** start iptables about twenty times. Each start reads the whole table, which takes seconds with the
  rules of ten thousand servers.
- **Listing**: a record has 1,936 bytes and is read in batches. The kernel says for each record whether its host peer is
  still there; interfaces are not read. Decoding takes a third of the time, writing JSON a fifth.
- **Memory**: tables of counters take memory for each possible CPU. A server has a table of players of 32 KB.
- **The machine**: most of a command's time is the runtime: it is mapped, faulted in and compiled. Machines of the same
  kind differ by a factor of two from day to day, so compare figures of one run only.
`;
}
