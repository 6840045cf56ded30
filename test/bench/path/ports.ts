/** The ports that a contender has to know. Some have a container; the others only take up room. */
export interface Ports {
  /** In the order in which they are added. */
  readonly all: readonly Port[];
  /** The ports that have a container, spread evenly over all ports. */
  readonly real: readonly Port[];
}

export interface Port {
  readonly port: number;
  /** Index of the container, from 0; undefined without one. */
  readonly container: number | undefined;
  /** The container address of this port. dp and the CNI plugins choose addresses of existing containers themselves. */
  readonly address: string;
}

/** Below the ephemeral ports. */
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
