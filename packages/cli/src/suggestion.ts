import { nearest } from "./nearest.ts";

/** The words of other programs, and of earlier versions of `dp`, for what `dp` calls otherwise. */
const OTHER_WORDS: Readonly<Record<string, string>> = {
  add: "add-server",
  check: "doctor",
  create: "add-server",
  del: "del-server",
  delete: "del-server",
  gc: "repair",
  get: "show",
  info: "show",
  inspect: "show",
  ls: "list",
  ps: "list",
  remove: "del-server",
  rm: "del-server",
  version: "--version",
  watch: "agent",
  "-V": "--version",
};

/** The command or the option that was probably meant: by another program's word for it, or by the nearest spelling. */
export function suggestCommand(word: string, known: readonly string[]): string | undefined {
  return OTHER_WORDS[word] ?? suggestOption(word, known);
}

/** The option that was probably meant. One letter is like any other, so nothing is suggested for it. */
export function suggestOption(word: string, known: readonly string[]): string | undefined {
  return /^-.$/.test(word) ? undefined : nearest(word, known);
}
