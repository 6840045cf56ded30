import { expect, test } from "bun:test";
import { join } from "node:path";
import { type CommentDisplayPart, type DeclarationReflection, type Reflection, ReflectionKind } from "typedoc";
import { readReference } from "./reference.ts";

const { project, warnings } = await readReference();
const exported = (project.children ?? []).flatMap((module) =>
  (module.children ?? []).map((reflection) => ({ at: `${module.name} ${reflection.name}`, reflection })),
);

test("every export has a docstring, whose links lead somewhere; what it speaks of is exported, too", () => {
  expect(warnings).toEqual([]);
});

/** Everything a docstring says. */
function docstring({ comment }: Reflection): string {
  const parts: CommentDisplayPart[] = [
    ...(comment?.summary ?? []),
    ...(comment?.blockTags ?? []).flatMap(({ tag, content }) => [
      { kind: "text", text: `${tag} ` } as const,
      ...content,
    ]),
  ];
  return parts.map(({ text }) => text).join("");
}

const saysWhatItThrows = (reflection: Reflection) => /\bthrows?\b|\bthrown\b/i.test(docstring(reflection));
const signatures = ({ signatures: all = [] }: DeclarationReflection) => all;

test("a function says what it throws; a class does for its methods, or each of them", () => {
  const silent = exported.flatMap(({ at, reflection }) => {
    if (reflection.kind === ReflectionKind.Function) {
      return signatures(reflection).some(saysWhatItThrows) ? [] : [at];
    }
    if (reflection.kind !== ReflectionKind.Class || saysWhatItThrows(reflection)) return [];
    return (reflection.children ?? [])
      .filter((member) => member.kind === ReflectionKind.Method && !member.name.startsWith("["))
      .filter((method) => method.inheritedFrom === undefined && !signatures(method).some(saysWhatItThrows))
      .map((method) => `${at}.${method.name}`);
  });
  expect(silent).toEqual([]);
});

test("a missing docstring, a broken link and a hidden type are told of", async () => {
  const found = await readReference({
    entryPoints: [join(import.meta.dirname, "fixtures/lacking.ts")],
    tsconfig: join(import.meta.dirname, "tsconfig.json"),
    packagesRequiringDocumentation: ["@dp/docs"],
  });
  expect(found.warnings.toSorted()).toEqual([
    expect.stringMatching(/Failed to resolve link to "nowhere"/),
    expect.stringMatching(/^\S+ Hidden, .* is referenced by .*unreachable.* but not included in the documentation/),
    expect.stringMatching(/silent .*does not have any documentation/),
  ]);
});
