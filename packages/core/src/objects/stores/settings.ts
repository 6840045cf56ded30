import { DpFamily, type DpSettings } from "@dp/bpf";
import { DatapathError } from "@dp/sys";
import type { BpfMap } from "../../libbpf/map.ts";
import { FAMILIES, type Family } from "./endpoint.ts";

/** Options of `dp load` that later commands use. No program reads them. */
export interface Settings {
  /** The range that `--port auto` takes from, both ends included. */
  portRange: readonly [first: number, last: number];
  /** ifindex of the interface that has the default public addresses. */
  uplink: number;
  /** The default public address of each family, for forwards without an address. */
  publicAddresses: Readonly<Partial<Record<Family, string>>>;
}

/** The settings of a load (dp_settings). What the kernel refuses throws `SyscallError`. */
export class SettingsStore {
  readonly #map: BpfMap<number, DpSettings>;

  constructor(map: BpfMap<number, DpSettings>) {
    this.#map = map;
  }

  /** undefined before they were set for the first time. */
  get(): Settings | undefined {
    const data = this.#map.get(0);
    return data === undefined || data.portLast === 0 ? undefined : decodeSettings(data);
  }

  /** Throws `DatapathError` BAD_USAGE for a port range that is none, or an address that is none. */
  set(settings: Settings): void {
    const [portFirst, portLast] = settings.portRange;
    if (portFirst < 1 || portFirst > portLast) {
      const reason = `the port range ${portFirst}-${portLast} must begin at 1 or above and not end before it begins`;
      throw new DatapathError("BAD_USAGE", "set the host's settings", reason);
    }
    const publicAddrs = FAMILIES.map((family) => settings.publicAddresses[family] ?? "");
    this.#map.set(0, { portFirst, portLast, uplink: settings.uplink, publicAddrs });
  }
}

function decodeSettings({ portFirst, portLast, uplink, publicAddrs }: DpSettings): Settings {
  const publicAddresses: Partial<Record<Family, string>> = {};
  for (const family of FAMILIES) {
    const address = publicAddrs[DpFamily[family]] ?? "";
    if (address !== "") publicAddresses[family] = address;
  }
  return { portRange: [portFirst, portLast], uplink, publicAddresses };
}
