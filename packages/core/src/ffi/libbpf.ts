/**
 * libbpf.so.1 through koffi: declarations only, bound at first use, so that importing the package opens nothing.
 *
 * Return values are made uniform here, the one place that reads errno: every function returns its result, or a
 * negative error number (errno(3), or libbpf's own from 4000 up). Functions that return a pointer return it as a
 * bigint, and a negative *number* when they failed. libbpf/errors.ts turns the numbers into errors.
 */
import { UnsupportedError } from "@dp/sys";
import koffi from "koffi";

/** An address in this process. Each function that returns one documents the owner of the memory. */
export type Pointer = bigint;

const INSTALL = "install it: apt-get install libbpf1";

type Native = (...args: unknown[]) => unknown;

let library: ReturnType<typeof koffi.load> | undefined;

function load(): ReturnType<typeof koffi.load> {
  if (library !== undefined) return library;
  let opened: ReturnType<typeof koffi.load>;
  try {
    opened = koffi.load("libbpf.so.1");
  } catch (cause) {
    throw new UnsupportedError("libbpf 1.1 or newer", INSTALL, {
      op: "load libbpf.so.1",
      reason: cause instanceof Error ? cause.message : String(cause),
      cause,
    });
  }
  // By default libbpf prints to stderr. Here it is silent; log.ts collects its messages during an operation.
  // SAFETY: NULL is a documented argument; nothing of ours is kept.
  (opened.func("void *libbpf_set_print(void *function)") as Native)(null);
  library = opened;
  return opened;
}

function symbol(prototype: string): Native {
  const handle = load();
  try {
    return handle.func(prototype) as Native;
  } catch (cause) {
    throw new UnsupportedError("libbpf 1.1 or newer", INSTALL, {
      op: "load libbpf.so.1",
      reason: `it has no ${/(\w+)\(/.exec(prototype)?.[1] ?? prototype}`,
      cause,
    });
  }
}

const prototypes: string[] = [];

function lazily<T>(prototype: string, call: (native: Native, args: unknown[]) => T): (...args: unknown[]) => T {
  prototypes.push(prototype);
  let bound: Native | undefined;
  return (...args) => {
    bound ??= symbol(prototype);
    return call(bound, args);
  };
}

/** For functions that return a result of 0 or more, or a negative error number: all of libbpf 1.x's that return int. */
function integer(prototype: string): (...args: unknown[]) => number {
  return lazily(prototype, (native, args) => Number(native(...args)));
}

/** For functions that return a pointer, or NULL with errno set. */
function pointer(prototype: string): (...args: unknown[]) => Pointer | number {
  return lazily(prototype, (native, args) => {
    const result = native(...args);
    if (result === null) return -koffi.errno();
    return result as Pointer;
  });
}

/** For functions that return a pointer, or NULL as an answer ("no more", "none"). */
function optionalPointer(prototype: string): (...args: unknown[]) => Pointer | undefined {
  return lazily(prototype, (native, args) => (native(...args) as Pointer | null) ?? undefined);
}

/** For functions that return a string of their own, copied at once; undefined for NULL. */
function text(prototype: string): (...args: unknown[]) => string | undefined {
  return lazily(prototype, (native, args) => (native(...args) as string | null) ?? undefined);
}

// Handles (`bpf_object`, `bpf_map`, `bpf_program`) are plain pointers: the classes in libbpf/ own them and make sure
// that none is used after bpf_object__close. `void *` parameters take a Uint8Array, which koffi keeps in place for the
// call; structures with pointers inside are NativeStruct's business.
export const libbpf = {
  versionString: text("const char *libbpf_version_string()"),
  setPrint: optionalPointer("void *libbpf_set_print(void *function)"),
  numPossibleCpus: integer("int libbpf_num_possible_cpus()"),

  objectOpenMem: pointer("void *bpf_object__open_mem(const void *bytes, size_t size, const void *opts)"),
  objectLoad: integer("int bpf_object__load(void *object)"),
  objectClose: lazily("void bpf_object__close(void *object)", (native, args) => void native(...args)),
  objectNextMap: optionalPointer("void *bpf_object__next_map(void *object, void *map)"),
  objectNextProgram: optionalPointer("void *bpf_object__next_program(void *object, void *program)"),

  mapName: text("const char *bpf_map__name(void *map)"),
  mapFd: integer("int bpf_map__fd(void *map)"),
  mapType: integer("int bpf_map__type(void *map)"),
  mapKeySize: integer("uint32_t bpf_map__key_size(void *map)"),
  mapValueSize: integer("uint32_t bpf_map__value_size(void *map)"),
  mapMaxEntries: integer("uint32_t bpf_map__max_entries(void *map)"),
  mapSetMaxEntries: integer("int bpf_map__set_max_entries(void *map, uint32_t entries)"),
  mapSetPinPath: integer("int bpf_map__set_pin_path(void *map, const char *path)"),
  mapReuseFd: integer("int bpf_map__reuse_fd(void *map, int fd)"),
  mapIsInternal: lazily("bool bpf_map__is_internal(void *map)", (native, args) => native(...args) === true),
  mapInitialValue: optionalPointer("void *bpf_map__initial_value(void *map, void *size)"),
  mapSetInitialValue: integer("int bpf_map__set_initial_value(void *map, const void *bytes, size_t size)"),

  programName: text("const char *bpf_program__name(void *program)"),
  programSection: text("const char *bpf_program__section_name(void *program)"),
  programFd: integer("int bpf_program__fd(void *program)"),
  programAutoload: lazily("bool bpf_program__autoload(void *program)", (native, args) => native(...args) === true),
  programSetAutoload: integer("int bpf_program__set_autoload(void *program, bool autoload)"),
  programSetType: integer("int bpf_program__set_type(void *program, int type)"),
  programSetAttachType: integer("int bpf_program__set_expected_attach_type(void *program, int type)"),

  objectBtf: optionalPointer("void *bpf_object__btf(void *object)"),
  btfFindByNameKind: integer("int btf__find_by_name_kind(void *btf, const char *name, uint32_t kind)"),
  btfTypeById: optionalPointer("void *btf__type_by_id(void *btf, uint32_t id)"),
  btfNameByOffset: text("const char *btf__name_by_offset(void *btf, uint32_t offset)"),

  mapLookup: integer("int bpf_map_lookup_elem(int fd, const void *key, void *value)"),
  mapUpdate: integer("int bpf_map_update_elem(int fd, const void *key, const void *value, uint64_t flags)"),
  mapDelete: integer("int bpf_map_delete_elem(int fd, const void *key)"),
  mapLookupAndDelete: integer("int bpf_map_lookup_and_delete_elem(int fd, const void *key, void *value)"),
  mapNextKey: integer("int bpf_map_get_next_key(int fd, const void *key, void *next)"),
  mapLookupBatch: integer(
    "int bpf_map_lookup_batch(int fd, void *in, void *out, void *keys, void *values, void *count, const void *opts)",
  ),
  mapUpdateBatch: integer(
    "int bpf_map_update_batch(int fd, const void *keys, const void *values, void *count, const void *opts)",
  ),
  mapDeleteBatch: integer("int bpf_map_delete_batch(int fd, const void *keys, void *count, const void *opts)"),
  mapCreate: integer(
    "int bpf_map_create(int type, const char *name, uint32_t key, uint32_t value, uint32_t entries, const void *opts)",
  ),

  programLoad: integer(
    "int bpf_prog_load(int type, const char *name, const char *license, const void *code, size_t n, const void *opts)",
  ),
  testRun: integer("int bpf_prog_test_run_opts(int fd, void *opts)"),

  objectPin: integer("int bpf_obj_pin(int fd, const char *path)"),
  objectGet: integer("int bpf_obj_get(const char *path)"),
  infoByFd: integer("int bpf_obj_get_info_by_fd(int fd, void *info, void *length)"),
  programFdById: integer("int bpf_prog_get_fd_by_id(uint32_t id)"),
  mapFdById: integer("int bpf_map_get_fd_by_id(uint32_t id)"),
  linkFdById: integer("int bpf_link_get_fd_by_id(uint32_t id)"),
  programNextId: integer("int bpf_prog_get_next_id(uint32_t id, void *next)"),
  mapNextId: integer("int bpf_map_get_next_id(uint32_t id, void *next)"),
  linkNextId: integer("int bpf_link_get_next_id(uint32_t id, void *next)"),
  btfFdById: integer("int bpf_btf_get_fd_by_id(uint32_t id)"),
  programBindMap: integer("int bpf_prog_bind_map(int program, int map, const void *opts)"),

  linkCreate: integer("int bpf_link_create(int program, int target, int attachType, const void *opts)"),
  linkUpdate: integer("int bpf_link_update(int link, int program, const void *opts)"),
  linkDetach: integer("int bpf_link_detach(int link)"),
  iterCreate: integer("int bpf_iter_create(int link)"),

  probeHelper: integer("int libbpf_probe_bpf_helper(int programType, int helper, const void *opts)"),
  probeMapType: integer("int libbpf_probe_bpf_map_type(int mapType, const void *opts)"),
  probeProgramType: integer("int libbpf_probe_bpf_prog_type(int programType, const void *opts)"),

  tcHookCreate: integer("int bpf_tc_hook_create(void *hook)"),
  tcHookDestroy: integer("int bpf_tc_hook_destroy(void *hook)"),
  tcAttach: integer("int bpf_tc_attach(const void *hook, void *opts)"),
  tcDetach: integer("int bpf_tc_detach(const void *hook, const void *opts)"),
  tcQuery: integer("int bpf_tc_query(const void *hook, void *opts)"),
} as const;

/** Tries to bind everything above. Throws `UnsupportedError` for what this libbpf does not have. */
export function requireSymbols(): void {
  for (const prototype of prototypes) symbol(prototype);
}

/** Copies `length` bytes at an address of native memory into JavaScript's. */
export function copyFrom(address: Pointer, length: number): Uint8Array {
  // SAFETY: the caller owns or borrows the memory at `address` and says it has `length` bytes; the view is read and
  // dropped before this returns.
  return new Uint8Array(koffi.view(address, length)).slice();
}
