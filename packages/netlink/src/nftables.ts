import { Errno } from "@dp/sys";
import { MessageFlag } from "./codec/frame.ts";
import {
  BATCH_HEADER,
  be32,
  chainAttributes,
  chainMessage,
  type Expression,
  hookAttributes,
  meaningOf,
  NftType,
  readExpressions,
  ruleAttributes,
  ruleMessage,
  tableAttributes,
  tableMessage,
  writeExpressions,
} from "./codec/nftables.ts";
import { Connection, type ConnectionOptions, type Request } from "./connection.ts";
import { NetlinkError } from "./error.ts";

/** For IPv4 and IPv6. */
const NFPROTO_INET = 1;
const NF_INET_PRE_ROUTING = 0;
const NFT_TABLE_F_DORMANT = 1;

const { NLM_F_CREATE, NLM_F_APPEND } = MessageFlag;

/** A table of nftables with one chain at prerouting, and one rule in it. */
export interface PreroutingRule {
  /** The table's name. The chain has the name "prerouting". */
  table: string;
  /** Of the chain: those of a hook run in ascending order. */
  priority: number;
  expressions: readonly Expression[];
}

const CHAIN = "prerouting";

/**
 * nftables of one network namespace, as far as it is needed to have one rule at prerouting for both IP families.
 *
 * What the kernel refuses throws a {@link NetlinkError}: EOPNOTSUPP or EINVAL without nftables.
 */
export class Nftables implements Disposable {
  readonly #connection: Connection;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /** Opens a netlink socket. Throws `SyscallError`: EPROTONOSUPPORT on a kernel without nfnetlink. */
  static open(options: Omit<ConnectionOptions, "protocol"> = {}): Nftables {
    return new Nftables(Connection.open({ ...options, protocol: "netfilter" }));
  }

  /** Makes the table, in place of one of that name, in one transaction. */
  setPreroutingRule({ table, priority, expressions }: PreroutingRule): void {
    const own = { NFTA_TABLE_NAME: table };
    const hook = hookAttributes.list({
      NFTA_HOOK_HOOKNUM: be32(NF_INET_PRE_ROUTING),
      NFTA_HOOK_PRIORITY: be32(priority),
    });
    this.#transact(`set the nftables table ${table}`, [
      // Makes it where there is none, so that it can be deleted.
      { type: NftType.NFT_MSG_NEWTABLE, flags: NLM_F_CREATE, payload: tableMessage.build(HEADER, own) },
      { type: NftType.NFT_MSG_DELTABLE, payload: tableMessage.build(HEADER, own) },
      { type: NftType.NFT_MSG_NEWTABLE, flags: NLM_F_CREATE, payload: tableMessage.build(HEADER, own) },
      {
        type: NftType.NFT_MSG_NEWCHAIN,
        flags: NLM_F_CREATE,
        payload: chainMessage.build(HEADER, {
          NFTA_CHAIN_TABLE: table,
          NFTA_CHAIN_NAME: CHAIN,
          NFTA_CHAIN_HOOK: hook,
          NFTA_CHAIN_TYPE: "filter",
        }),
      },
      {
        type: NftType.NFT_MSG_NEWRULE,
        flags: NLM_F_CREATE | NLM_F_APPEND,
        payload: ruleMessage.build(HEADER, {
          NFTA_RULE_TABLE: table,
          NFTA_RULE_CHAIN: CHAIN,
          NFTA_RULE_EXPRESSIONS: writeExpressions(expressions),
        }),
      },
    ]);
  }

  /** Whether {@link setPreroutingRule} made it, and it is as it was made: not disabled, not moved, no rule changed. */
  hasPreroutingRule({ table, priority, expressions }: PreroutingRule): boolean {
    const found = this.#table(table);
    if (found === undefined || (found & NFT_TABLE_F_DORMANT) !== 0) return false;
    return this.#chainPriority(table) === priority && this.#firstRuleIs(table, expressions);
  }

  /** Deletes a table. False when there is none. */
  deleteTable(table: string): boolean {
    if (this.#table(table) === undefined) return false;
    const payload = tableMessage.build(HEADER, { NFTA_TABLE_NAME: table });
    this.#transact(`delete the nftables table ${table}`, [{ type: NftType.NFT_MSG_DELTABLE, payload }]);
    return true;
  }

  /** Closes the socket. Throws nothing. */
  close(): void {
    this.#connection.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** The flags of a table; undefined when there is none. */
  #table(table: string): number | undefined {
    const payload = tableMessage.build(HEADER, { NFTA_TABLE_NAME: table });
    const [frame] = this.#get(NftType.NFT_MSG_GETTABLE, payload, `look for the nftables table ${table}`);
    if (frame === undefined) return undefined;
    const { NFTA_TABLE_FLAGS: flags } = tableAttributes.values(tableMessage.read(frame.payload).attributes);
    return flags === undefined ? 0 : number(flags);
  }

  #chainPriority(table: string): number | undefined {
    const payload = chainMessage.build(HEADER, { NFTA_CHAIN_TABLE: table, NFTA_CHAIN_NAME: CHAIN });
    const [frame] = this.#get(NftType.NFT_MSG_GETCHAIN, payload, `look for the chain of the nftables table ${table}`);
    if (frame === undefined) return undefined;
    const { NFTA_CHAIN_HOOK: hook } = chainAttributes.values(chainMessage.read(frame.payload).attributes);
    const priority = hookAttributes.values(hook ?? []).NFTA_HOOK_PRIORITY;
    return priority === undefined ? undefined : number(priority) | 0;
  }

  #firstRuleIs(table: string, expressions: readonly Expression[]): boolean {
    const payload = ruleMessage.build(HEADER, { NFTA_RULE_TABLE: table, NFTA_RULE_CHAIN: CHAIN });
    const frames = this.#connection.dump(
      { type: NftType.NFT_MSG_GETRULE, payload },
      `list the rules of the nftables table ${table}`,
    );
    const [rule] = frames.map(({ payload: each }) => ruleAttributes.values(ruleMessage.read(each).attributes));
    if (rule?.NFTA_RULE_EXPRESSIONS === undefined) return false;
    const there = readExpressions(rule.NFTA_RULE_EXPRESSIONS);
    return there.map(meaningOf).join("\n") === expressions.map(meaningOf).join("\n");
  }

  #get(type: number, payload: Uint8Array, op: string) {
    try {
      return this.#connection.get({ type, payload }, op);
    } catch (error) {
      if (error instanceof NetlinkError && error.errno === Errno.ENOENT) return [];
      throw error;
    }
  }

  #transact(op: string, requests: readonly Request[]): void {
    const around = tableMessage.build(BATCH_HEADER, {});
    this.#connection.changeAll(
      [
        { type: NftType.NFNL_MSG_BATCH_BEGIN, payload: around },
        ...requests,
        { type: NftType.NFNL_MSG_BATCH_END, payload: around },
      ],
      op,
    );
  }
}

const HEADER = { nfgen_family: NFPROTO_INET } as const;

function number(payload: Uint8Array): number {
  return new DataView(payload.buffer, payload.byteOffset, payload.byteLength).getUint32(0);
}
