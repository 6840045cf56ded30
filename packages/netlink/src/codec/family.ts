/** Address families rtnetlink knows (sys/socket.h). */
export const AF_UNSPEC = 0;
/** IPv4. */
export const AF_INET = 2;
/** IPv6. */
export const AF_INET6 = 10;

/** The names `ip -j` uses. */
export type Family = "inet" | "inet6";

export const familyNumber: Readonly<Record<Family, number>> = { inet: AF_INET, inet6: AF_INET6 };

/** Undefined for a family other than the two. */
export function familyName(number: number): Family | undefined {
  return number === AF_INET ? "inet" : number === AF_INET6 ? "inet6" : undefined;
}

/** Bits of an address. */
export const addressBits: Readonly<Record<Family, number>> = { inet: 32, inet6: 128 };
