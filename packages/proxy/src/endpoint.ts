/** An address and a TCP or UDP port. */
export interface Endpoint {
  readonly address: string;
  readonly port: number;
}
