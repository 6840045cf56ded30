const WORD = 64;
const WORDS = 4;

/**
 * The 256 bits of dp_config.host_octets: bit n is set when one of the addresses ends in .n. A reply to a player whose
 * address ends otherwise needs no look-up to know that it is not the host's.
 */
export function octetFilter(addresses: Iterable<string>): bigint[] {
  const words = Array.from({ length: WORDS }, () => 0n);
  for (const address of addresses) {
    const last = Number(address.slice(address.lastIndexOf(".") + 1));
    const word = Math.floor(last / WORD);
    words[word] = (words[word] ?? 0n) | (1n << BigInt(last % WORD));
  }
  return words;
}
