import { Fd } from "@dp/sys";
import { libbpf } from "../ffi/libbpf.ts";
import { NativeStruct } from "../ffi/native-struct.ts";
import { check } from "./errors.ts";
import { BTF_INFO, MAP_INFO, readInfo } from "./info.ts";

/** The types in a map, from the BTF of the object that made it. */
export interface MapTypes {
  /** Contents of a `.BTF` section. */
  btf: Uint8Array;
  /** The kernel's number of that BTF: maps of one object have the same. */
  btfId: number;
  /** Ids in that BTF. */
  key: number;
  value: number;
}

/** undefined for a map that was made without BTF. Throws `SyscallError`. */
export function mapTypes(fd: number): MapTypes | undefined {
  using info = readInfo(fd, new NativeStruct(MAP_INFO), "read a map's info");
  const btfId = info.get("btf_id");
  if (btfId === 0) return undefined;
  return { btf: readBtf(btfId), btfId, key: info.get("btf_key_type_id"), value: info.get("btf_value_type_id") };
}

function readBtf(id: number): Uint8Array {
  const op = `read BTF ${id}`;
  using fd = new Fd(check(libbpf.btfFdById(id), { op, call: "bpf_btf_get_fd_by_id" }));
  using head = readInfo(fd.number, new NativeStruct(BTF_INFO), op);
  const btf = new Uint8Array(head.get("btf_size"));
  using whole = new NativeStruct(BTF_INFO, { btf, btf_size: btf.byteLength });
  readInfo(fd.number, whole, op);
  return btf;
}
