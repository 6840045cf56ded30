/** The ports that a contender has to know: some are of containers that are there, the others only take up room. */
export interface Ports {
  /** In the order in which they are made known. */
  readonly all: readonly Port[];
  /** Those of containers that are there: evenly spread over all, so that none is the first to be found. */
  readonly real: readonly Port[];
}

export interface Port {
  readonly port: number;
  /** Which container, counted from 0; undefined where there is none. */
  readonly container: number | undefined;
  /** Where it would lead. Of a container that is there it is the container's, unless another program hands them out. */
  readonly address: string;
}

/** Below the ports that clients take. */
const FIRST = 20_000;

export const GAME_PORT = 25565;

export function choosePorts(count: number, containers: number): Ports {
  const every = count / containers;
  const all = Array.from({ length: count }, (_, index): Port => {
    const container = Math.floor(index / every);
    const real = index === Math.floor((container + 0.5) * every);
    return {
      port: FIRST + index,
      container: real ? container : undefined,
      address: real ? containerAddress(container) : `10.2.${128 + (index >> 8)}.${index & 255}`,
    };
  });
  return { all, real: all.filter(({ container }) => container !== undefined) };
}

export function containerAddress(container: number): string {
  return `10.2.0.${container + 1}`;
}
