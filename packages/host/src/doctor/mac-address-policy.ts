import { existsSync } from "node:fs";
import { hostPeerName } from "@dp/core";
import { HOST_PEER_MAC } from "../interfaces/veth-pair.ts";
import type { Finding } from "../repair/finding.ts";
import { error, type Verdict, warning } from "./check.ts";
import { type LinkFile, linkFileFor, linkSetting, readLinkFiles } from "./link-file.ts";

const FIX = "install examples/systemd/10-datapath.link in /etc/systemd/network, then udevadm control --reload";

export function checkMacAddressPolicy(): Verdict {
  if (!existsSync("/run/udev/control")) return "udev does not run here: it renames no interface and changes no MAC";
  return judgeLinkFiles(readLinkFiles());
}

/** Whether udev renames host peers or changes their MACs. */
export function judgeLinkFiles(files: readonly LinkFile[]): Verdict {
  const device = { name: hostPeerName(1), mac: HOST_PEER_MAC, kind: "veth" };
  const file = linkFileFor(device, files);
  if (file === undefined) return "no .link file applies to host peers";
  const findings = [...judgeMac(file), ...judgeName(file)];
  return findings.length > 0 ? findings : `${file.path} does not change host peers`;
}

function judgeMac(file: LinkFile): Finding[] {
  const policy = linkSetting(file, "MACAddressPolicy");
  const address = linkSetting(file, "MACAddress");
  if (policy === "persistent" || policy === "random") {
    const what =
      `udev has MACAddressPolicy=${policy} for host peers (${file.path}): ` +
      "it changes MACs that were not set when the interface was created";
    return [warning("mac-address-policy", what, FIX)];
  }
  if (address === undefined || address.toLowerCase() === HOST_PEER_MAC) return [];
  const what = `udev gives host peers the MAC ${address} (${file.path}): containers would not reach the host`;
  return [error("mac-address", what, FIX)];
}

/** udev keeps a name that was set when the interface was created only if `keep` stands first in NamePolicy. */
function judgeName(file: LinkFile): Finding[] {
  const policy = linkSetting(file, "NamePolicy")?.split(/\s+/) ?? [];
  const name = linkSetting(file, "Name");
  if (policy[0] === "keep" || (policy.length === 0 && name === undefined)) return [];
  const by = policy.length > 0 ? `NamePolicy=${policy.join(" ")}` : `Name=${name}`;
  const what = `udev may rename host peers (${by} in ${file.path}): pins are found by interface name`;
  return [warning("interface-name-policy", what, FIX)];
}
