import { type Figure, figure } from "./statistics.ts";

/** What is compared. A measurement gives one number for each measure. */
export interface Contender<Measure extends string> {
  readonly name: string;
  readonly measure: () => Promise<Readonly<Record<Measure, number>>> | Readonly<Record<Measure, number>>;
}

/**
 * Measures all contenders in turns, as many times as there are rounds: A B C, C B A, A B C, ... So other load on the
 * machine, and its temperature, affect all contenders alike.
 *
 * @returns by the contender's name and the measure
 */
export async function interleaved<Measure extends string>(
  contenders: readonly Contender<Measure>[],
  rounds: number,
  log: (line: string) => void = () => {},
): Promise<Map<string, Record<Measure, Figure>>> {
  const measured = new Map(contenders.map(({ name }) => [name, [] as Readonly<Record<Measure, number>>[]]));
  if (measured.size !== contenders.length) throw new Error("two contenders have the same name");
  for (let round = 0; round < rounds; round++) {
    log(`round ${round + 1} of ${rounds}`);
    for (const { name, measure } of round % 2 === 0 ? contenders : contenders.toReversed()) {
      measured.get(name)?.push(await measure());
    }
  }
  return new Map([...measured].map(([name, each]) => [name, figuresOf(each)]));
}

function figuresOf<Measure extends string>(
  rounds: readonly Readonly<Record<Measure, number>>[],
): Record<Measure, Figure> {
  const measures = Object.keys(rounds[0] ?? {}) as Measure[];
  return Object.fromEntries(
    measures.map((measure) => [measure, figure(rounds.map((values) => values[measure]))]),
  ) as Record<Measure, Figure>;
}
