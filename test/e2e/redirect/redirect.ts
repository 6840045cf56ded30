import { join } from "node:path";
import type { Event, Program } from "@dp/test-kit/program.ts";
import type { NetworkNamespace } from "../topology/namespace.ts";

const program = (name: string) => ["bun", join(import.meta.dirname, `${name}.ts`)];

/** Starts redirect/listener.ts and waits until it listens. */
export async function listen(host: NetworkNamespace, ...ports: number[]): Promise<Program> {
  const listener = host.spawn([...program("listener"), ...ports.map(String)]);
  await listener.event("listening");
  return listener;
}

export type Verb = "ask" | "hold" | "chat" | "finish" | "reset" | "leave" | "query" | "knock" | "flood";

/** What redirect/client.ts is to do. Destinations are "192.0.2.80:443". */
export interface Task {
  readonly to: readonly string[];
  readonly times?: number;
  readonly together?: number;
  readonly sourcePort?: number;
  readonly bytes?: number;
  readonly rounds?: number;
}

/** Starts redirect/client.ts. */
export function start(container: NetworkNamespace, verb: Verb, task: Task): Program {
  return container.spawn([...program("client"), verb, JSON.stringify(task)]);
}

/** Runs redirect/client.ts to its end; all that it told but the last. */
export async function talk(container: NetworkNamespace, verb: Verb, task: Task): Promise<Event[]> {
  await using client = start(container, verb, task);
  await client.event("done");
  return client.events.slice(0, -1);
}
