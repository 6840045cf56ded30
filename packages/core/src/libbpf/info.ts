import { libbpf } from "../ffi/libbpf.ts";
import { type Fields, type NativeStruct, struct } from "../ffi/native-struct.ts";
import { check } from "./errors.ts";

/** The head of struct bpf_prog_info (linux/bpf.h): the kernel fills as much as it is given room for. */
export const PROGRAM_INFO = struct("bpf_prog_info", {
  type: "u32",
  id: "u32",
  tag: "bytes8",
  jited_prog_len: "u32",
  xlated_prog_len: "u32",
  jited_prog_insns: "pointer",
  xlated_prog_insns: "pointer",
  load_time: "u64",
  created_by_uid: "u32",
  nr_map_ids: "u32",
  map_ids: "pointer",
  name: "bytes16",
  ifindex: "u32",
  // Bit-fields of C.
  _flags: "u32",
  netns_dev: "u64",
  netns_ino: "u64",
  nr_jited_ksyms: "u32",
  nr_jited_func_lens: "u32",
  jited_ksyms: "pointer",
  jited_func_lens: "pointer",
  btf_id: "u32",
  func_info_rec_size: "u32",
  func_info: "pointer",
  nr_func_info: "u32",
  nr_line_info: "u32",
  line_info: "pointer",
  jited_line_info: "pointer",
  nr_jited_line_info: "u32",
  line_info_rec_size: "u32",
  jited_line_info_rec_size: "u32",
  nr_prog_tags: "u32",
  prog_tags: "pointer",
  run_time_ns: "u64",
  run_cnt: "u64",
  recursion_misses: "u64",
  verified_insns: "u32",
});

/** The head of struct bpf_map_info (linux/bpf.h). */
export const MAP_INFO = struct("bpf_map_info", {
  type: "u32",
  id: "u32",
  key_size: "u32",
  value_size: "u32",
  max_entries: "u32",
  map_flags: "u32",
  name: "bytes16",
  ifindex: "u32",
  btf_vmlinux_value_type_id: "u32",
  netns_dev: "u64",
  netns_ino: "u64",
  btf_id: "u32",
  btf_key_type_id: "u32",
  btf_value_type_id: "u32",
});

/** The head of struct bpf_btf_info (linux/bpf.h). */
export const BTF_INFO = struct("bpf_btf_info", { btf: "pointer", btf_size: "u32", id: "u32" });

/** Fills `info` with what the kernel knows of a program, map or link (BPF_OBJ_GET_INFO_BY_FD). */
export function readInfo<F extends Fields>(fd: number, info: NativeStruct<F>, op: string): NativeStruct<F> {
  const length = new Uint32Array([info.bytes.byteLength]);
  // SAFETY: the kernel writes into `info`, what it points to, and `length` during the call only.
  check(libbpf.infoByFd(fd, info.bytes, length), { op, call: "bpf_obj_get_info_by_fd" });
  return info;
}

/** Text in a field of fixed size, up to the first NUL. The kernel cuts names of programs and maps at 15 characters. */
export function textField(field: Uint8Array): string {
  const end = field.indexOf(0);
  return new TextDecoder().decode(end < 0 ? field : field.subarray(0, end));
}
