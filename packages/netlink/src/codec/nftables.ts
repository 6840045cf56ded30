import { attributes, type RawAttribute, writeRawAttributes } from "./attribute.ts";
import { body } from "./body.ts";
import { bytes, nestedBytes, text, u8 } from "./scalar.ts";
import { struct } from "./struct.ts";

/*
 * struct nfgenmsg {
 *         __u8   nfgen_family; // NFPROTO_*
 *         __u8   version;
 *         __be16 res_id;
 * };
 */
const nfgenmsg = struct("nfgenmsg", { nfgen_family: u8, version: u8, res_id_high: u8, res_id_low: u8 });

const SUBSYSTEM = 10; // NFNL_SUBSYS_NFTABLES
const NFNL_SUBSYS_NFTABLES = SUBSYSTEM << 8;

/** nlmsg_type of nftables, and of the messages around a batch (linux/netfilter/nfnetlink.h, nf_tables.h). */
export const NftType = {
  NFNL_MSG_BATCH_BEGIN: 0x10,
  NFNL_MSG_BATCH_END: 0x11,
  NFT_MSG_NEWTABLE: NFNL_SUBSYS_NFTABLES | 0,
  NFT_MSG_GETTABLE: NFNL_SUBSYS_NFTABLES | 1,
  NFT_MSG_DELTABLE: NFNL_SUBSYS_NFTABLES | 2,
  NFT_MSG_NEWCHAIN: NFNL_SUBSYS_NFTABLES | 3,
  NFT_MSG_GETCHAIN: NFNL_SUBSYS_NFTABLES | 4,
  NFT_MSG_NEWRULE: NFNL_SUBSYS_NFTABLES | 6,
  NFT_MSG_GETRULE: NFNL_SUBSYS_NFTABLES | 7,
} as const;

/** A number in network byte order: the payloads of nftables. */
export function be32(value: number): Uint8Array {
  const payload = new Uint8Array(4);
  new DataView(payload.buffer).setUint32(0, value >>> 0);
  return payload;
}

/** The header of the messages around a batch. */
export const BATCH_HEADER = { res_id_low: SUBSYSTEM } as const;

export const tableAttributes = attributes({ NFTA_TABLE_NAME: [1, text], NFTA_TABLE_FLAGS: [2, bytes] });
export const tableMessage = body(nfgenmsg, tableAttributes);

export const hookAttributes = attributes({ NFTA_HOOK_HOOKNUM: [1, bytes], NFTA_HOOK_PRIORITY: [2, bytes] });
export const chainAttributes = attributes({
  NFTA_CHAIN_TABLE: [1, text],
  NFTA_CHAIN_NAME: [3, text],
  NFTA_CHAIN_HOOK: [4, hookAttributes],
  NFTA_CHAIN_TYPE: [7, text],
});
export const chainMessage = body(nfgenmsg, chainAttributes);

export const ruleAttributes = attributes({
  NFTA_RULE_TABLE: [1, text],
  NFTA_RULE_CHAIN: [2, text],
  NFTA_RULE_EXPRESSIONS: [4, nestedBytes],
});
export const ruleMessage = body(nfgenmsg, ruleAttributes);

const dataAttributes = attributes({ NFTA_DATA_VALUE: [1, bytes], NFTA_DATA_VERDICT: [2, nestedBytes] });
const verdictAttributes = attributes({ NFTA_VERDICT_CODE: [1, bytes] });
const metaAttributes = attributes({ NFTA_META_DREG: [1, bytes], NFTA_META_KEY: [2, bytes] });
const cmpAttributes = attributes({
  NFTA_CMP_SREG: [1, bytes],
  NFTA_CMP_OP: [2, bytes],
  NFTA_CMP_DATA: [3, dataAttributes],
});
const immediateAttributes = attributes({ NFTA_IMMEDIATE_DREG: [1, bytes], NFTA_IMMEDIATE_DATA: [2, dataAttributes] });
const expressionAttributes = attributes({ NFTA_EXPR_NAME: [1, text], NFTA_EXPR_DATA: [2, nestedBytes] });

const NFTA_LIST_ELEM = 1;
const NLA_F_NESTED = 0x8000;
const REGISTER = be32(1); // NFT_REG_1
const VERDICT_REGISTER = be32(0); // NFT_REG_VERDICT

/** One step of a rule: its kind, and its attributes. */
export interface Expression {
  readonly name: string;
  readonly data: Uint8Array;
}

const META_KEYS = { priority: 2, iifname: 6 } as const;
const COMPARISONS = { equal: 0, notEqual: 1, atMost: 3, atLeast: 5 } as const;

/** Loads what is known of the packet. Throws nothing. */
export function meta(key: keyof typeof META_KEYS): Expression {
  const values = { NFTA_META_DREG: REGISTER, NFTA_META_KEY: be32(META_KEYS[key]) };
  return { name: "meta", data: metaAttributes.write(metaAttributes.list(values)) };
}

/** Ends the rule unless the first bytes of what was loaded compare so. Throws nothing. */
export function compare(how: keyof typeof COMPARISONS, value: Uint8Array): Expression {
  const data = dataAttributes.list({ NFTA_DATA_VALUE: value });
  const values = { NFTA_CMP_SREG: REGISTER, NFTA_CMP_OP: be32(COMPARISONS[how]), NFTA_CMP_DATA: data };
  return { name: "cmp", data: cmpAttributes.write(cmpAttributes.list(values)) };
}

/** Counts the packet. Throws nothing. */
export function counter(): Expression {
  return { name: "counter", data: new Uint8Array() };
}

/** Drops the packet. Throws nothing. */
export function drop(): Expression {
  const NF_DROP = 0;
  const verdict = verdictAttributes.write(verdictAttributes.list({ NFTA_VERDICT_CODE: be32(NF_DROP) }));
  const data = dataAttributes.list({ NFTA_DATA_VERDICT: verdict });
  const values = { NFTA_IMMEDIATE_DREG: VERDICT_REGISTER, NFTA_IMMEDIATE_DATA: data };
  return { name: "immediate", data: immediateAttributes.write(immediateAttributes.list(values)) };
}

/** NFTA_RULE_EXPRESSIONS. */
export function writeExpressions(expressions: readonly Expression[]): Uint8Array {
  return writeRawAttributes(
    expressions.map(({ name, data }): RawAttribute => {
      const values = { NFTA_EXPR_NAME: name, NFTA_EXPR_DATA: data };
      const payload = expressionAttributes.write(expressionAttributes.list(values));
      return { type: NFTA_LIST_ELEM, flags: NLA_F_NESTED, payload };
    }),
  );
}

/** What `writeExpressions` wrote, as the kernel has it. Throws {@link MalformedMessageError}. */
export function readExpressions(payload: Uint8Array): Expression[] {
  return listOf.read(payload).flatMap((attribute) => {
    if (attribute.name === undefined) return [];
    const values = expressionAttributes.values(attribute.value);
    return [{ name: values.NFTA_EXPR_NAME ?? "", data: values.NFTA_EXPR_DATA ?? new Uint8Array() }];
  });
}

/**
 * What an expression does, to compare: the kernel marks nested attributes otherwise than they were written, and a
 * counter has what it counted. Throws {@link MalformedMessageError}.
 */
export function meaningOf({ name, data }: Expression): string {
  const hex = (payload: Uint8Array | undefined) => Buffer.from(payload ?? []).toString("hex");
  switch (name) {
    case "meta": {
      const { NFTA_META_DREG, NFTA_META_KEY } = metaAttributes.values(metaAttributes.read(data));
      return `meta ${hex(NFTA_META_DREG)} ${hex(NFTA_META_KEY)}`;
    }
    case "cmp": {
      const { NFTA_CMP_SREG, NFTA_CMP_OP, NFTA_CMP_DATA } = cmpAttributes.values(cmpAttributes.read(data));
      const { NFTA_DATA_VALUE } = dataAttributes.values(NFTA_CMP_DATA ?? []);
      return `cmp ${hex(NFTA_CMP_SREG)} ${hex(NFTA_CMP_OP)} ${hex(NFTA_DATA_VALUE)}`;
    }
    case "immediate": {
      const { NFTA_IMMEDIATE_DREG, NFTA_IMMEDIATE_DATA } = immediateAttributes.values(immediateAttributes.read(data));
      const { NFTA_DATA_VERDICT } = dataAttributes.values(NFTA_IMMEDIATE_DATA ?? []);
      const verdict = verdictAttributes.values(verdictAttributes.read(NFTA_DATA_VERDICT ?? new Uint8Array()));
      return `immediate ${hex(NFTA_IMMEDIATE_DREG)} ${hex(verdict.NFTA_VERDICT_CODE)}`;
    }
    default:
      return name;
  }
}

const listOf = attributes({ NFTA_LIST_ELEM: [NFTA_LIST_ELEM, expressionAttributes] });
