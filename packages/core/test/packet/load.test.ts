/** Every object is accepted by the verifier of the kernel that the tests run on. */
import { expect, test } from "bun:test";
import { mapLayouts, type ObjectName, objects } from "@dp/bpf";
import { requireRoot } from "@dp/test-kit/require-root.ts";
import { BpfObject } from "../../src/libbpf/index.ts";

requireRoot();

/** Its type is set by the loader: guard.test.ts loads it. */
const names = (Object.keys(objects) as ObjectName[]).filter((name) => name !== "guard");

test.each(names)("%s loads", (name) => {
  using object = BpfObject.open(objects[name](), { name }).load();
  const counts = object.programNames().map((program) => object.program(program).info().verifiedInstructions);
  expect(Math.max(0, ...counts)).toBeLessThan(50_000);
});

test("the control object has no program, and libbpf makes its maps", () => {
  using object = BpfObject.open(objects.control(), { name: "control" }).load();
  expect(object.programNames()).toEqual([]);
  expect(object.mapNames().toSorted()).toEqual([
    "dp_changes",
    "dp_counters",
    "dp_free",
    "dp_groups",
    "dp_meta",
    "dp_names",
    "dp_namespaces",
    "dp_records",
    "dp_reserved",
    "dp_settings",
  ]);
  const records = object.map(mapLayouts.dp_records);
  expect([...records.keys()]).toEqual([]);
});

test("the maps that only dp reads are in no other object", () => {
  using control = BpfObject.open(objects.control(), { name: "control" });
  const own = new Set(control.maps().map(({ name }) => name));
  for (const name of names.filter((each) => each !== "control")) {
    using object = BpfObject.open(objects[name](), { name });
    expect([name, object.maps().filter((map) => own.has(map.name))]).toEqual([name, []]);
  }
});
