/** Indents code by its brackets, which in what is generated here are never in a string without their other half. */
export function indent(source: string): string {
  let depth = 0;
  return source
    .split("\n")
    .map((line) => {
      const text = line.trim();
      const closes = /^[}\])]*/.exec(text)?.[0].length ?? 0;
      const inside = depth - closes;
      for (const character of text) {
        if ("{[(".includes(character)) depth++;
        else if ("}])".includes(character)) depth--;
      }
      const margin = text.startsWith("*") ? " " : "";
      return text === "" ? "" : "  ".repeat(Math.max(inside, 0)) + margin + text;
    })
    .join("\n");
}
