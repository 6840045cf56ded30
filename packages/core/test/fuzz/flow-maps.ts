/** What the programs' maps hold of flows against what the model does, but for when they end. */
import type { ProgramRunner } from "@dp/test-kit/program-runner.ts";
import type { FlowModel } from "./flow-model.ts";
import { type Flow, flowId, type Origin, originId } from "./flow.ts";

/** undefined when nothing differs. */
export function differenceOfMaps(runner: ProgramRunner, model: FlowModel): string | undefined {
  return (
    differenceOf("flows", flowsOf(runner), model.flows) ??
    differenceOf("origins", originsOf(runner), model.origins) ??
    differenceOf("answers", answersOf(runner), model.answers) ??
    differenceOf("counts", countsOf(runner, model), new Map([...model.counts, [0, model.taken]]))
  );
}

function flowsOf(runner: ProgramRunner): Map<string, Flow> {
  return new Map(runner.entries("dp_flows").map(([key, flow]) => [flowId(key), flow]));
}

function originsOf(runner: ProgramRunner): Map<string, Origin> {
  const known = ({ dst, dport, sport, listener, expires }: { expires: bigint } & Omit<Origin, "established">) => {
    return { dst, dport, sport, listener, established: expires === 0n };
  };
  return new Map(runner.entries("dp_origins").map(([key, origin]) => [originId(key), known(origin)]));
}

function answersOf(runner: ProgramRunner): Map<string, string> {
  return new Map(
    runner
      .entries("dp_answer_frags")
      .map(([{ src, dst, id, protocol, family }, { addr }]) => [`${family}/${protocol} ${src} ${dst} ${id}`, addr]),
  );
}

function countsOf(runner: ProgramRunner, { world }: FlowModel): Map<number, number> {
  const ids = [0, ...world.containers.map(({ id }) => id)];
  return new Map(ids.map((id) => [id, runner.get("dp_flow_counts", id).flows]));
}

type Entries<T> = ReadonlyMap<string | number, T>;

export function differenceOf<T>(name: string, program: Entries<T>, model: Entries<T>): string | undefined {
  const [actual, expected] = [inOrder(program), inOrder(model)];
  return actual === expected ? undefined : `${name}\nprogram: ${actual}\nmodel:   ${expected}`;
}

function inOrder(map: Entries<unknown>): string {
  const lines = Array.from(map, ([key, value]) => `${key} ${JSON.stringify(value)}`);
  return lines.toSorted().join("\n         ");
}
