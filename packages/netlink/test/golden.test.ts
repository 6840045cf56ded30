/**
 * Messages byte by byte, each read and written: reading gives the value, writing the value gives the bytes. Those of
 * `ip` and of the kernel were recorded on Linux 6.18 with iproute2 6.1. All of them little-endian.
 */
import { describe, expect, test } from "bun:test";
import { readRawAttributes, writeRawAttributes } from "../src/codec/attribute.ts";
import {
  addressMessage,
  AF_INET,
  AF_INET6,
  bpfFilterAttributes,
  ClsactParent,
  type Codec,
  filterMessage,
  linkInfoAttributes,
  linkMessage,
  MessageFlag,
  neighbourMessage,
  NLA_F_NESTED,
  readAcknowledgement,
  readFrames,
  routeMessage,
  RtnlType,
  vethAttributes,
  writeFrame,
} from "../src/codec/index.ts";

/** Bytes as hex, each line with a comment that says what they are. */
function bytes(text: string): Uint8Array {
  return Uint8Array.from(
    text
      .replaceAll(/\/\/.*$/gm, "")
      .split(/\s+/)
      .filter((octet) => octet !== ""),
    (octet) => Number.parseInt(octet, 16),
  );
}

/** An attribute as it is read. */
function attribute<K extends string, T>(name: K, value: T, flags = 0): { name: K; value: T; flags: number } {
  return { name, value, flags };
}

function unknown(type: number, value: Uint8Array, flags = 0) {
  return { name: undefined, type, flags, value } as const;
}

function both<T>(codec: Codec<T>, golden: Uint8Array, value: NoInfer<T>): void {
  expect(codec.read(golden)).toEqual(value);
  expect(codec.write(value)).toEqual(golden);
}

describe("struct nlmsghdr", () => {
  test("a request without payload", () => {
    const golden = bytes(`
      10 00 00 00              // nlmsg_len 16
      12 00                    // nlmsg_type RTM_GETLINK
      01 03                    // nlmsg_flags NLM_F_REQUEST | NLM_F_DUMP
      07 00 00 00              // nlmsg_seq
      00 00 00 00              // nlmsg_pid
    `);
    const { NLM_F_REQUEST, NLM_F_DUMP } = MessageFlag;
    const frame = {
      type: RtnlType.RTM_GETLINK,
      flags: NLM_F_REQUEST | NLM_F_DUMP,
      sequence: 7,
      portId: 0,
      payload: new Uint8Array(0),
    };
    expect(readFrames(golden)).toEqual([frame]);
    expect(writeFrame(frame)).toEqual(golden);
  });

  test("two messages in a datagram, the first padded, the second not", () => {
    const golden = bytes(`
      11 00 00 00  10 00  02 00  01 00 00 00  2a 00 00 00   // 17 bytes long
      aa 00 00 00                                           // one byte, three of padding
      12 00 00 00  10 00  02 00  01 00 00 00  2a 00 00 00   // 18 bytes long
      bb cc                                                 // two bytes, and the datagram ends
    `);
    const frame = { type: 16, flags: MessageFlag.NLM_F_MULTI, sequence: 1, portId: 42 };
    const [first, second] = readFrames(golden);
    expect(first).toEqual({ ...frame, payload: Uint8Array.of(0xaa) });
    expect(second).toEqual({ ...frame, payload: Uint8Array.of(0xbb, 0xcc) });
    const written = [first, second].flatMap((one) => (one === undefined ? [] : [...writeFrame(one)]));
    expect(written).toEqual([...golden, 0, 0]);
  });

  test("no messages in an empty datagram", () => {
    expect(readFrames(new Uint8Array(0))).toEqual([]);
  });
});

describe("struct nlattr", () => {
  test("padding follows all but the attributes whose length is a multiple of four", () => {
    const golden = bytes(`
      04 00  01 00                // empty
      05 00  02 80  11 00 00 00   // NLA_F_NESTED, one byte
      06 00  03 40  11 22 00 00   // NLA_F_NET_BYTEORDER, two
      08 00  04 00  11 22 33 44   // four
    `);
    const attributes = [
      { type: 1, flags: 0, payload: Uint8Array.of() },
      { type: 2, flags: 0x8000, payload: Uint8Array.of(0x11) },
      { type: 3, flags: 0x4000, payload: Uint8Array.of(0x11, 0x22) },
      { type: 4, flags: 0, payload: Uint8Array.of(0x11, 0x22, 0x33, 0x44) },
    ];
    expect(readRawAttributes(golden)).toEqual(attributes);
    expect(writeRawAttributes(attributes)).toEqual(golden);
  });

  test("the last attribute may come without its padding", () => {
    expect(readRawAttributes(bytes("05 00 02 00 11"))).toEqual([{ type: 2, flags: 0, payload: Uint8Array.of(0x11) }]);
  });
});

const vethRequest = bytes(`
  00 00 00 00                    // ifi_family AF_UNSPEC, pad, ifi_type
  00 00 00 00                    // ifi_index: the kernel shall choose
  00 00 00 00  00 00 00 00       // ifi_flags, ifi_change
  0a 00  01 00                   // IFLA_ADDRESS
  7e 90 c4 ed df d0  00 00
  08 00  04 00  78 05 00 00      // IFLA_MTU 1400
  08 00  03 00  64 70 30 00      // IFLA_IFNAME "dp0"
  44 00  12 00                   // IFLA_LINKINFO, by ip without NLA_F_NESTED
  08 00  01 00  76 65 74 68      //   IFLA_INFO_KIND "veth", by ip without NUL
  38 00  02 00                   //   IFLA_INFO_DATA
  34 00  01 00                   //     VETH_INFO_PEER
  00 00 00 00  00 00 00 00       //       struct ifinfomsg
  00 00 00 00  00 00 00 00
  0a 00  01 00                   //       IFLA_ADDRESS
  7e 90 c4 ed df d1  00 00
  08 00  1c 00  04 00 00 00      //       IFLA_NET_NS_FD 4
  09 00  03 00                   //       IFLA_IFNAME "eth0"
  65 74 68 30 00  00 00 00
`);

describe("links", () => {
  test("RTM_NEWLINK as ip makes a veth pair with a peer in another namespace", () => {
    const header = { ifi_family: 0, ifi_type: 0, ifi_index: 0, ifi_flags: 0, ifi_change: 0 };
    const { attributes } = linkMessage.read(vethRequest);
    expect(attributes.slice(0, 3)).toEqual([
      attribute("IFLA_ADDRESS", "7e:90:c4:ed:df:d0"),
      attribute("IFLA_MTU", 1400),
      attribute("IFLA_IFNAME", "dp0"),
    ]);
    const info = attributes[3]?.name === "IFLA_LINKINFO" ? attributes[3].value : [];
    const { IFLA_INFO_KIND, IFLA_INFO_DATA } = linkInfoAttributes.values(info);
    expect(IFLA_INFO_KIND).toBe("veth");
    both(vethAttributes, IFLA_INFO_DATA as Uint8Array, [
      attribute("VETH_INFO_PEER", {
        header,
        attributes: [
          attribute("IFLA_ADDRESS", "7e:90:c4:ed:df:d1"),
          attribute("IFLA_NET_NS_FD", 4),
          attribute("IFLA_IFNAME", "eth0"),
        ],
      }),
    ]);
  });

  test("RTM_NEWLINK as we make a veth pair: nested attributes are marked, strings end with NUL", () => {
    both(
      linkMessage,
      bytes(`
        00 00 00 00  00 00 00 00       // struct ifinfomsg
        00 00 00 00  00 00 00 00
        08 00  03 00  64 70 30 00      // IFLA_IFNAME "dp0"
        0a 00  01 00                   // IFLA_ADDRESS
        7e 90 c4 ed df d0  00 00
        40 00  12 80                   // NLA_F_NESTED | IFLA_LINKINFO
        09 00  01 00                   //   IFLA_INFO_KIND "veth"
        76 65 74 68 00  00 00 00
        30 00  02 80                   //   NLA_F_NESTED | IFLA_INFO_DATA
        2c 00  01 80                   //     NLA_F_NESTED | VETH_INFO_PEER
        00 00 00 00  00 00 00 00       //       struct ifinfomsg
        00 00 00 00  00 00 00 00
        09 00  03 00                   //       IFLA_IFNAME "eth0"
        65 74 68 30 00  00 00 00
        0a 00  01 00                   //       IFLA_ADDRESS
        7e 90 c4 ed df d1              //       whose padding no length includes
        00 00
      `),
      {
        header: { ifi_family: 0, ifi_type: 0, ifi_index: 0, ifi_flags: 0, ifi_change: 0 },
        attributes: [
          attribute("IFLA_IFNAME", "dp0"),
          attribute("IFLA_ADDRESS", "7e:90:c4:ed:df:d0"),
          attribute(
            "IFLA_LINKINFO",
            [
              attribute("IFLA_INFO_KIND", "veth"),
              attribute(
                "IFLA_INFO_DATA",
                vethAttributes.write([
                  {
                    name: "VETH_INFO_PEER",
                    value: {
                      header: { ifi_family: 0, ifi_type: 0, ifi_index: 0, ifi_flags: 0, ifi_change: 0 },
                      attributes: [
                        { name: "IFLA_IFNAME", value: "eth0" },
                        { name: "IFLA_ADDRESS", value: "7e:90:c4:ed:df:d1" },
                      ],
                    },
                  },
                ]),
                NLA_F_NESTED,
              ),
            ],
            NLA_F_NESTED,
          ),
        ],
      },
    );
  });

  test("a veth as the kernel describes it: unknown attributes are kept in their place", () => {
    both(
      linkMessage,
      bytes(`
        00 00  01 00                   // ifi_family, pad, ifi_type ARPHRD_ETHER
        02 00 00 00                    // ifi_index 2
        03 10 00 00                    // ifi_flags IFF_UP | IFF_BROADCAST | IFF_MULTICAST
        00 00 00 00                    // ifi_change
        08 00  03 00  64 70 30 00      // IFLA_IFNAME "dp0"
        08 00  0d 00  e8 03 00 00      // IFLA_TXQLEN 1000
        05 00  10 00  02 00 00 00      // IFLA_OPERSTATE 2, down
        05 00  43 00  00 00 00 00      // attribute 67, of a kernel newer than our table
        08 00  04 00  78 05 00 00      // IFLA_MTU 1400
        08 00  05 00  02 00 00 00      // IFLA_LINK 2
        08 00  25 00  00 00 00 00      // IFLA_LINK_NETNSID 0
        04 00  3e 80                   // attribute 62, nested and empty
      `),
      {
        header: { ifi_family: 0, ifi_type: 1, ifi_index: 2, ifi_flags: 0x1003, ifi_change: 0 },
        attributes: [
          attribute("IFLA_IFNAME", "dp0"),
          attribute("IFLA_TXQLEN", 1000),
          attribute("IFLA_OPERSTATE", 2),
          unknown(67, Uint8Array.of(0)) as never,
          attribute("IFLA_MTU", 1400),
          attribute("IFLA_LINK", 2),
          attribute("IFLA_LINK_NETNSID", 0),
          unknown(62, Uint8Array.of(), NLA_F_NESTED) as never,
        ],
      },
    );
  });

  test("alternative names, and a namespace the kernel has no number for", () => {
    both(
      linkMessage,
      bytes(`
        00 00 01 00  02 00 00 00  00 00 00 00  00 00 00 00
        14 00  34 80                   // NLA_F_NESTED | IFLA_PROP_LIST
        06 00  35 00  61 00 00 00      //   IFLA_ALT_IFNAME "a"
        07 00  35 00  62 63 00 00      //   IFLA_ALT_IFNAME "bc"
        08 00  25 00  ff ff ff ff      // IFLA_LINK_NETNSID -1
      `),
      {
        header: { ifi_family: 0, ifi_type: 1, ifi_index: 2, ifi_flags: 0, ifi_change: 0 },
        attributes: [
          attribute(
            "IFLA_PROP_LIST",
            [attribute("IFLA_ALT_IFNAME", "a"), attribute("IFLA_ALT_IFNAME", "bc")],
            NLA_F_NESTED,
          ),
          attribute("IFLA_LINK_NETNSID", -1),
        ],
      },
    );
  });
});

test("an address as the kernel lists it", () => {
  const cacheinfo = "ff ff ff ff  ff ff ff ff  e2 dc 09 00  e2 dc 09 00";
  both(
    addressMessage,
    bytes(`
      02                             // ifa_family AF_INET
      18                             // ifa_prefixlen 24
      80                             // ifa_flags IFA_F_PERMANENT
      00                             // ifa_scope RT_SCOPE_UNIVERSE
      02 00 00 00                    // ifa_index 2
      08 00  01 00  0a 09 00 01      // IFA_ADDRESS 10.9.0.1
      08 00  02 00  0a 09 00 01      // IFA_LOCAL 10.9.0.1
      08 00  03 00  64 70 30 00      // IFA_LABEL "dp0"
      08 00  08 00  80 00 00 00      // IFA_FLAGS IFA_F_PERMANENT
      14 00  06 00  ${cacheinfo}     // IFA_CACHEINFO: valid forever, made and changed at 6467.86 s
    `),
    {
      header: { ifa_family: AF_INET, ifa_prefixlen: 24, ifa_flags: 0x80, ifa_scope: 0, ifa_index: 2 },
      attributes: [
        attribute("IFA_ADDRESS", "10.9.0.1"),
        attribute("IFA_LOCAL", "10.9.0.1"),
        attribute("IFA_LABEL", "dp0"),
        attribute("IFA_FLAGS", 0x80),
        attribute("IFA_CACHEINFO", bytes(cacheinfo)),
      ],
    },
  );
});

describe("routes", () => {
  const header = {
    rtm_family: AF_INET,
    rtm_dst_len: 0,
    rtm_src_len: 0,
    rtm_tos: 0,
    rtm_table: 254,
    rtm_protocol: 3,
    rtm_scope: 0,
    rtm_type: 1,
    rtm_flags: 0,
  };

  test("ip route add default via 10.1.0.9 dev dp0 onlink", () => {
    both(
      routeMessage,
      bytes(`
        02 00 00 00                    // rtm_family AF_INET, rtm_dst_len 0, rtm_src_len, rtm_tos
        fe 03 00 01                    // rtm_table main, rtm_protocol boot, rtm_scope global, rtm_type unicast
        04 00 00 00                    // rtm_flags RTNH_F_ONLINK
        08 00  05 00  0a 01 00 09      // RTA_GATEWAY 10.1.0.9
        08 00  04 00  02 00 00 00      // RTA_OIF 2
      `),
      {
        header: { ...header, rtm_flags: 4 },
        attributes: [attribute("RTA_GATEWAY", "10.1.0.9"), attribute("RTA_OIF", 2)],
      },
    );
  });

  test("ip route add 10.50.0.0/16 nexthop via 10.9.0.3 dev dp0 weight 3 nexthop via 10.9.0.4 dev dp0", () => {
    both(
      routeMessage,
      bytes(`
        02 10 00 00  fe 03 00 01  00 00 00 00
        08 00  01 00  0a 32 00 00      // RTA_DST 10.50.0.0
        24 00  09 00                   // RTA_MULTIPATH
        10 00  00  02                  //   rtnh_len 16, rtnh_flags, rtnh_hops 2
        02 00 00 00                    //   rtnh_ifindex 2
        08 00  05 00  0a 09 00 03      //   RTA_GATEWAY 10.9.0.3
        10 00  00  00                  //   rtnh_len 16, rtnh_flags, rtnh_hops 0
        02 00 00 00                    //   rtnh_ifindex 2
        08 00  05 00  0a 09 00 04      //   RTA_GATEWAY 10.9.0.4
      `),
      {
        header: { ...header, rtm_dst_len: 16 },
        attributes: [
          attribute("RTA_DST", "10.50.0.0"),
          attribute("RTA_MULTIPATH", [
            { flags: 0, hops: 2, ifindex: 2, attributes: [attribute("RTA_GATEWAY", "10.9.0.3")] },
            { flags: 0, hops: 0, ifindex: 2, attributes: [attribute("RTA_GATEWAY", "10.9.0.4")] },
          ]),
        ],
      },
    );
  });

  test("ip route add 10.51.0.0/16 via inet6 fe80::1 dev dp0", () => {
    both(
      routeMessage,
      bytes(`
        02 10 00 00  fe 03 00 01  00 00 00 00
        08 00  01 00  0a 33 00 00      // RTA_DST 10.51.0.0
        16 00  12 00                   // RTA_VIA
        0a 00                          //   rtvia_family AF_INET6
        fe 80 00 00 00 00 00 00        //   rtvia_addr fe80::1
        00 00 00 00 00 00 00 01
        00 00
        08 00  04 00  02 00 00 00      // RTA_OIF 2
      `),
      {
        header: { ...header, rtm_dst_len: 16 },
        attributes: [
          attribute("RTA_DST", "10.51.0.0"),
          attribute("RTA_VIA", { family: AF_INET6, address: "fe80::1" }),
          attribute("RTA_OIF", 2),
        ],
      },
    );
  });
});

test("a neighbour as the kernel lists it", () => {
  const cacheinfo = "02 00 00 00  02 00 00 00  02 00 00 00  00 00 00 00";
  both(
    neighbourMessage,
    bytes(`
      02 00 00 00                    // ndm_family AF_INET, pads
      02 00 00 00                    // ndm_ifindex 2
      80 00                          // ndm_state NUD_PERMANENT
      00                             // ndm_flags
      01                             // ndm_type RTN_UNICAST
      08 00  01 00  0a 02 00 05      // NDA_DST 10.2.0.5
      0a 00  02 00                   // NDA_LLADDR
      7e 90 c4 ed df d1  00 00
      08 00  04 00  00 00 00 00      // NDA_PROBES 0
      14 00  03 00  ${cacheinfo}     // NDA_CACHEINFO
    `),
    {
      header: { ndm_family: AF_INET, ndm_ifindex: 2, ndm_state: 0x80, ndm_flags: 0, ndm_type: 1 },
      attributes: [
        attribute("NDA_DST", "10.2.0.5"),
        attribute("NDA_LLADDR", "7e:90:c4:ed:df:d1"),
        attribute("NDA_PROBES", 0),
        attribute("NDA_CACHEINFO", bytes(cacheinfo)),
      ],
    },
  );
});

test("a BPF filter as the kernel lists it, with what is of its kind", () => {
  const options = `
      0d 00  07 00                   // TCA_BPF_NAME "p.o:[tc]"
      70 2e 6f 3a 5b 74 63 5d 00  00 00 00
      08 00  0b 00  37 51 01 00      // TCA_BPF_ID 86327
      0c 00  0a 00                   // TCA_BPF_TAG, not known here
      f0 3f 3c 89 31 09 83 0e
      08 00  08 00  01 00 00 00      // TCA_BPF_FLAGS TCA_BPF_FLAG_ACT_DIRECT
      08 00  09 00  08 00 00 00      // TCA_BPF_FLAGS_GEN, not known here
  `;
  both(
    filterMessage,
    bytes(`
      00 00 00 00                    // tcm_family AF_UNSPEC, pads
      03 00 00 00                    // tcm_ifindex 3
      d9 00 00 00                    // tcm_handle 0xd9
      f2 ff ff ff                    // tcm_parent: ingress of clsact
      00 03 03 00                    // tcm_info: ETH_P_ALL, priority 3
      08 00  01 00  62 70 66 00      // TCA_KIND "bpf"
      08 00  0b 00  00 00 00 00      // TCA_CHAIN 0
      38 00  02 00  ${options}       // TCA_OPTIONS, without NLA_F_NESTED
    `),
    {
      header: {
        tcm_family: 0,
        tcm_ifindex: 3,
        tcm_handle: 0xd9,
        tcm_parent: ClsactParent.ingress,
        tcm_info: (3 << 16) | 0x0300,
      },
      attributes: [attribute("TCA_KIND", "bpf"), attribute("TCA_CHAIN", 0), attribute("TCA_OPTIONS", bytes(options))],
    },
  );
  both(bpfFilterAttributes, bytes(options), [
    attribute("TCA_BPF_NAME", "p.o:[tc]"),
    attribute("TCA_BPF_ID", 86327),
    unknown(10, bytes("f0 3f 3c 89 31 09 83 0e")),
    attribute("TCA_BPF_FLAGS", 1),
    unknown(9, bytes("08 00 00 00")),
  ]);
});

describe("acknowledgements", () => {
  function acknowledgement(text: string): ReturnType<typeof readAcknowledgement> {
    const [frame] = readFrames(bytes(text));
    if (frame === undefined) throw new Error("no message");
    return readAcknowledgement(frame);
  }
  const none = { message: undefined, offset: undefined, missingAttribute: undefined };

  test("success", () => {
    expect(
      acknowledgement(`
        24 00 00 00  02 00             // NLMSG_ERROR
        00 01                          // NLM_F_CAPPED
        aa 25 04 6b  3e 60 00 00
        00 00 00 00                    // error 0
        80 00 00 00  10 00  05 06  aa 25 04 6b  00 00 00 00   // the request's header
      `),
    ).toEqual({ errno: 0, ...none });
  });

  const reason = `
    20 00  01 00                       // NLMSGERR_ATTR_MSG
    4e 65 78 74 68 6f 70 20 68 61 73 20 69 6e 76 61 6c 69 64 20 67 61 74 65 77 61 79 00
  `;

  test("a refusal with the reason behind the whole request", () => {
    expect(
      acknowledgement(`
        68 00 00 00  02 00             // NLMSG_ERROR
        00 02                          // NLM_F_ACK_TLVS
        aa 25 04 6b  46 60 00 00
        9b ff ff ff                    // error -101
        34 00 00 00  18 00  05 06  aa 25 04 6b  00 00 00 00   // the request: 52 bytes
        02 10 00 00  fe 03 00 01  00 00 00 00
        08 00  01 00  0a 07 00 00
        08 00  05 00  0a 63 00 09
        08 00  04 00  02 00 00 00
        ${reason}
      `),
    ).toEqual({ errno: 101, ...none, message: "Nexthop has invalid gateway" });
  });

  test("a refusal with reason, offset and missing attribute behind the request's header alone", () => {
    expect(
      acknowledgement(`
        54 00 00 00  02 00             // NLMSG_ERROR
        00 03                          // NLM_F_CAPPED | NLM_F_ACK_TLVS
        aa 25 04 6b  46 60 00 00
        ea ff ff ff                    // error -22
        34 00 00 00  18 00  05 06  aa 25 04 6b  00 00 00 00   // the request's header
        ${reason}
        08 00  02 00  24 00 00 00      // NLMSGERR_ATTR_OFFS 36
        08 00  05 00  07 00 00 00      // NLMSGERR_ATTR_MISS_TYPE 7
      `),
    ).toEqual({ errno: 22, message: "Nexthop has invalid gateway", offset: 36, missingAttribute: 7 });
  });

  test("the end of a dump, good and bad, with and without a code", () => {
    const start = "03 00 02 00  01 00 00 00  2a 00 00 00";
    expect(acknowledgement(`14 00 00 00 ${start}  00 00 00 00`)).toEqual({ errno: 0, ...none });
    expect(acknowledgement(`14 00 00 00 ${start}  ed ff ff ff`)).toEqual({ errno: 19, ...none });
    expect(acknowledgement(`10 00 00 00 ${start}`)).toEqual({ errno: 0, ...none });
    const withReason = acknowledgement(`
      34 00 00 00  03 00             // NLMSG_DONE
      02 02                          // NLM_F_MULTI | NLM_F_ACK_TLVS
      01 00 00 00  2a 00 00 00
      9b ff ff ff                    // error -101
      ${reason}
    `);
    expect(withReason).toEqual({ errno: 101, ...none, message: "Nexthop has invalid gateway" });
  });
});
