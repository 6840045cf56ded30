import type { World } from "./world.ts";

/** One row of the table. */
export interface Case {
  readonly name: string;
  /** Throws when it is not as it should be. Words it returns are shown beside the result. */
  run(world: World): Promise<string | void>;
}
