/**
 * Text from outside, for a terminal or a log: control characters, line breaks among them, and characters that change
 * the direction of text are written as \\u001b. A process, a container engine or a path chose the text; it must neither
 * control the terminal nor look like another line. Written so, it is also correct inside of a JSON string. Throws nothing.
 */
export function printable(text: string): string {
  return text.replace(UNPRINTABLE, escaped);
}

/** As {@link printable}, and leaves alone what matches `kept`, a pattern without groups. Throws nothing. */
export function printableExcept(kept: RegExp, text: string): string {
  const pattern = new RegExp(`(${kept.source})|${UNPRINTABLE.source}`, "gu");
  return text.replace(pattern, (found, own: string | undefined) => own ?? escaped(found));
}

/** Control characters (C0, DEL, C1), line and paragraph separators, and marks of direction. */
const UNPRINTABLE = /[\p{Cc}\p{Zl}\p{Zp}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu;

function escaped(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
}
