import { short } from "../report/numbers.ts";

/** Medians, in milliseconds, with the fewest servers present. */
export interface Parts {
  /** `dp --version`. */
  readonly version: number;
  /** `dp list`. */
  readonly list: number;
  readonly add: number;
  /** Processor time of adding. */
  readonly cpu: number;
  /** One of a batch. */
  readonly each: number;
}

/** What bounds the control plane, from the figures themselves. */
export function bounds({ version, list, add, cpu, each }: Parts): string {
  const ms = (value: number) => `${short(Math.max(0, value))} ms`;
  return `
| adding one server | |
| --- | ---: |
| the start of the executable (\`dp --version\`) | ${ms(version)} |
| the library, the native module, libbpf, the pins (\`dp list\`, less that) | ${ms(list - version)} |
| the adding itself | ${ms(add - list)} |
| **together** | **${ms(add)}** |

of which ${ms(cpu)} are processor time, on more than one processor where there is one free: the runtime compiles and collects
garbage on threads of its own. One server of a batch, which starts once and is compiled by then, takes ${ms(each)}.

- **Start**: a bare Bun executable takes 5 ms. The rest of it, and most of the library's part, was parsing: the executable
  has bytecode now, in chunks that are loaded when a command needs them, makes no stream and only one command's parser. The
  native module that makes the system calls takes 2.7 ms to load, its C++ library included.
- **Waits**: attaching a program to a TCX hook waits until no processor runs the list of programs that is replaced, an RCU grace
  period, with the kernel's lock of all network configuration held, so that nothing can be done beside it. There are four
  for a server. At 250 Hz each is 7 or 15 ms, 45 ms in all, when the kernel takes its own time; expedited, all four take 1 ms
  ([ADR 11](../adr/0011-grace-periods-are-expedited.md)). The pair is made with one queue for each end: for the queues of the
  other CPUs, which the kernel would make and take out of use again, it waits twice more.
- **Removing** is bound by the deletion of the pair, 10 to 20 ms of it: the kernel waits until all callbacks are run that were
  ever queued (\`rcu_barrier\`), which nothing expedites.
- **Present servers** have no part in it: a record, an address, a port, a name is looked up, never searched for
  ([ADR 10](../adr/0010-records-have-indexes.md)). Whether the port is in use is asked by binding to it.
- **The plugins** start iptables about twenty times, and each time it reads the whole table: with ten thousand servers' rules that
  is seconds, every time.
- **Memory** of the maps is per possible CPU for the tables with counters, and made at once for all the servers there may be.
- **The machine**: most of a command is the runtime being mapped, faulted in and compiled. On a day when the same kind of machine
  gave half as much (2026-11-29, kernel -v782), adding with 10 present took 64.7 ms and the plugins 64.9, a batch of 1,000
  4.41 s; the build of the figures above, paired with that day's, took as long.
`;
}
