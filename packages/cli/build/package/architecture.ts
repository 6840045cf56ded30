/** What dp is built for, by the names of Node.js. */
export const ARCHITECTURES = {
  x64: { debian: "amd64" },
  arm64: { debian: "arm64" },
} as const;

export type Architecture = keyof typeof ARCHITECTURES;

export function isArchitecture(name: string): name is Architecture {
  return Object.hasOwn(ARCHITECTURES, name);
}

/** What is packed, of which version and date, for which architecture. */
export interface Release {
  version: string;
  date: Date;
  arch: Architecture;
  /** Where the compiled executable is. */
  executable: string;
}
