import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { checkQuery } from "../src/dns/check-query.ts";
import { DnsFrameReader, dnsFrame } from "../src/dns/frames.ts";
import {
  answersQuery,
  errorAnswer,
  Rcode,
  readDnsHeader,
  readDnsQuestion,
  typeName,
  withDnsId,
} from "../src/dns/message.ts";
import { answerTo, query } from "./dns-builder.ts";

describe("a DNS message", () => {
  test("of dig is parsed", () => {
    // `dig example.org A`, captured: id 0x9af1, RD and AD set, one question, one OPT record.
    const hex = "9af101200001000000000001076578616d706c65036f726700000100010000291000000000000000";
    const message = Buffer.from(hex, "hex");
    expect(readDnsHeader(message)).toEqual({
      id: 0x9af1,
      response: false,
      opcode: 0,
      truncated: false,
      rcode: 0,
      questions: 1,
    });
    expect(readDnsQuestion(message)).toEqual({ name: "example.org", type: 1, class: 1, end: 29 });
  });

  test("has the name of its labels", () => {
    const label = fc.string({ unit: fc.constantFrom(..."abcXYZ019-_"), minLength: 1, maxLength: 20 });
    fc.assert(
      fc.property(fc.array(label, { minLength: 1, maxLength: 8 }), (labels) => {
        expect(readDnsQuestion(query({ name: labels.join(".") }))?.name).toBe(labels.join("."));
      }),
    );
    expect(readDnsQuestion(query({ name: "" }))?.name).toBe(".");
  });

  test("has its name escaped: dots, spaces, control characters and bytes above 127", () => {
    const name = [Uint8Array.from([0x61, 0x2e, 0x62]), Uint8Array.from([10, 32, 0x22, 0xff, 0x5c])];
    expect(readDnsQuestion(query({ labels: name }))?.name).toBe('a\\.b.\\010\\032\\"\\255\\\\');
  });

  test("with a compression pointer, a label or a name too long is malformed", () => {
    const header = query({ name: "" }).subarray(0, 12);
    const question = (...bytes: number[]) => readDnsQuestion(Buffer.concat([header, Uint8Array.from(bytes)]));
    expect(question(0xc0, 12, 0, 1, 0, 1)).toBeUndefined();
    expect(question(0x40, ...new Uint8Array(64).fill(97), 0, 0, 1, 0, 1)).toBeUndefined();
    const octets = (count: number) => Array.from({ length: count }, () => new Uint8Array(1).fill(97));
    expect(readDnsQuestion(query({ labels: octets(127) }))).toBeDefined(); // 127 * 2 + 1 = 255 octets
    expect(readDnsQuestion(query({ labels: octets(128) }))).toBeUndefined();
  });

  test("truncated at any byte is malformed, and not read beyond its end", () => {
    const whole = query({ name: "www.example.org" });
    for (let length = 0; length < whole.length; length++) {
      expect(readDnsQuestion(whole.subarray(0, length))).toBeUndefined();
    }
  });

  test("of any bytes causes no exception, and its name is printable", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 600 }), (bytes) => {
        readDnsHeader(bytes);
        const question = readDnsQuestion(bytes);
        if (question !== undefined) {
          expect(question.name).toMatch(/^[!-~]+$/);
          expect(question.end).toBeLessThanOrEqual(bytes.length);
        }
        const checked = checkQuery(bytes);
        const answer = checked.reply?.answer;
        if (answer !== undefined) expect(readDnsHeader(answer)?.response).toBe(true);
        answersQuery(bytes, bytes);
      }),
      { numRuns: 2000 },
    );
  });

  test("has a name for its type", () => {
    expect([1, 28, 65, 12345].map(typeName)).toEqual(["A", "AAAA", "HTTPS", "TYPE12345"]);
  });
});

describe("an error answer", () => {
  test("has the query's id and question, and nothing else", () => {
    const asked = query({ id: 0x1234, name: "a.example", edns: true });
    const answer = errorAnswer(asked, Rcode.SERVFAIL);
    const header = readDnsHeader(answer);
    expect(header).toMatchObject({ id: 0x1234, response: true, rcode: 2, questions: 1, truncated: false });
    expect(readDnsQuestion(answer)).toEqual(readDnsQuestion(asked) as never);
    expect(answer.length).toBe(readDnsQuestion(answer)?.end as number);
    expect([...answer.subarray(6, 12)]).toEqual([0, 0, 0, 0, 0, 0]);
    expect((answer[2] as number) & 1).toBe(1); // RD is copied
  });

  test("to a malformed question has no question", () => {
    const cut = query({ name: "a.example" }).subarray(0, 15);
    expect(readDnsHeader(errorAnswer(cut, Rcode.FORMERR))).toMatchObject({ rcode: 1, questions: 0 });
    expect(errorAnswer(cut, Rcode.FORMERR).length).toBe(12);
  });
});

describe("an answer is taken", () => {
  const asked = query({ id: 7, name: "a.example" });
  test("with the id and the question of the query, in upper or lower case", () => {
    expect(answersQuery(asked, answerTo(asked))).toBe(true);
    expect(answersQuery(asked, answerTo(query({ id: 7, name: "A.Example" })))).toBe(true);
  });

  test("not with another id, name or type, and not when it is a query itself", () => {
    expect(answersQuery(asked, answerTo(withDnsId(asked, 8)))).toBe(false);
    expect(answersQuery(asked, answerTo(query({ id: 7, name: "b.example" })))).toBe(false);
    expect(answersQuery(asked, answerTo(query({ id: 7, name: "a.example", type: 28 })))).toBe(false);
    expect(answersQuery(asked, asked)).toBe(false);
    expect(answersQuery(asked, new Uint8Array(3))).toBe(false);
  });

  test("without a question only if it is an error", () => {
    const bare = (rcode: number) => errorAnswer(asked, rcode).slice(0, 12).fill(0, 4, 6);
    expect(answersQuery(asked, bare(Rcode.FORMERR))).toBe(true);
    expect(answersQuery(asked, bare(Rcode.NOERROR))).toBe(false);
    expect(answersQuery(asked, bare(Rcode.NXDOMAIN))).toBe(false);
  });
});

describe("a message before it is forwarded", () => {
  const rcodeOf = (message: Uint8Array) => {
    const answer = checkQuery(message).reply?.answer;
    return answer === undefined ? undefined : readDnsHeader(answer)?.rcode;
  };
  const changed = (at: number, value: number) => {
    const message = query({ name: "a.example" });
    message[at] = value;
    return message;
  };

  test("is forwarded when it is a query with one question", () => {
    expect(checkQuery(query({ name: "a.example" })).reply).toBeUndefined();
  });

  test("gets no answer when it is an answer itself, or too short", () => {
    expect(checkQuery(answerTo(query({ name: "a" }))).reply).toMatchObject({ answer: undefined });
    expect(checkQuery(new Uint8Array(11)).reply).toMatchObject({ answer: undefined });
  });

  test("gets an error: for its opcode, number of questions, malformed question, zone transfer", () => {
    expect(rcodeOf(changed(2, 0x28))).toBe(Rcode.NOTIMP);
    expect(rcodeOf(changed(5, 0))).toBe(Rcode.FORMERR);
    expect(rcodeOf(changed(5, 2))).toBe(Rcode.FORMERR);
    expect(rcodeOf(changed(12, 0xc0))).toBe(Rcode.FORMERR);
    expect(rcodeOf(query({ name: "a.example", type: 252 }))).toBe(Rcode.REFUSED);
  });
});

describe("DNS messages over TCP", () => {
  test("are the same when they are read, however the bytes are split", () => {
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ maxLength: 80 }), { maxLength: 6 }),
        fc.integer({ min: 1, max: 50 }),
        (messages, chunk) => {
          const bytes = Buffer.concat(messages.map(dnsFrame));
          const reader = new DnsFrameReader();
          const seen: Uint8Array[] = [];
          for (let at = 0; at < bytes.length; at += chunk) seen.push(...reader.push(bytes.subarray(at, at + chunk)));
          expect(seen.map((one) => [...one])).toEqual(messages.map((one) => [...one]));
        },
      ),
    );
  });

  test("longer than the limit are not read", () => {
    const reader = new DnsFrameReader(100);
    expect(reader.push(Buffer.concat([dnsFrame(new Uint8Array(100)), dnsFrame(new Uint8Array(101))])).length).toBe(1);
    expect(reader.oversized).toBe(true);
    expect(reader.push(dnsFrame(new Uint8Array(5)))).toEqual([]);
  });
});
