const UNITS = [
  ["d", 86_400],
  ["h", 3600],
  ["m", 60],
  ["s", 1],
] as const;

/** A span of time in its two largest units: "3d 4h", "5m 10s". */
export function formatAge(milliseconds: number): string {
  let seconds = Math.max(0, Math.floor(milliseconds / 1000));
  const parts: string[] = [];
  for (const [unit, size] of UNITS) {
    const count = Math.floor(seconds / size);
    seconds -= count * size;
    if (count > 0 || (unit === "s" && parts.length === 0)) parts.push(`${count}${unit}`);
    else if (parts.length > 0) break;
    if (parts.length === 2) break;
  }
  return parts.join(" ");
}

const PREFIXES = ["kB", "MB", "GB", "TB", "PB"];

/** "999 B", "1.2 kB", "340 MB": powers of 1000, as for network traffic. */
export function formatBytes(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`;
  let amount = bytes;
  let prefix = "";
  for (const next of PREFIXES) {
    amount /= 1000;
    prefix = next;
    if (amount < 999.5) break;
  }
  return `${amount < 9.95 ? amount.toFixed(1) : Math.round(amount)} ${prefix}`;
}

export function formatPackets(packets: number): string {
  return `${packets.toLocaleString("en")} packet${packets === 1 ? "" : "s"}`;
}
