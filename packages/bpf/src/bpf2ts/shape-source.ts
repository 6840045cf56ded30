import { constantName, readerName, typeName } from "./names.ts";
import type { Shape } from "./shape.ts";

/** The TypeScript type. */
export function typeOf(shape: Shape): string {
  switch (shape.kind) {
    case "ipv4":
    case "ipv6":
    case "address":
    case "mac":
    case "text":
      return "string";
    case "u64":
    case "s64":
    case "be64":
      return "bigint";
    case "bool":
      return "boolean";
    case "bytes":
      return "Uint8Array";
    case "array":
      return `readonly ${elementType(shape.element)}[]`;
    case "struct":
    case "enum":
      return typeName(shape.name);
    default:
      return "number";
  }
}

function elementType(shape: Shape): string {
  return shape.kind === "array" ? `(${typeOf(shape)})` : typeOf(shape);
}

/** Where a field is in `view`: the struct begins at `at`. */
export function fieldAt(offset: number): string {
  return offset === 0 ? "at" : `at + ${offset}`;
}

/** An expression that reads it from `view`; in a struct, `at` is where the struct begins. */
export function readExpression(shape: Shape, at: string, depth = 0): string {
  switch (shape.kind) {
    case "u8":
      return `view.getUint8(${at})`;
    case "s8":
      return `view.getInt8(${at})`;
    case "bool":
      return `view.getUint8(${at}) !== 0`;
    case "u16":
      return `view.getUint16(${at}, true)`;
    case "s16":
      return `view.getInt16(${at}, true)`;
    case "u32":
      return `view.getUint32(${at}, true)`;
    case "s32":
      return `view.getInt32(${at}, true)`;
    case "u64":
      return `view.getBigUint64(${at}, true)`;
    case "s64":
      return `view.getBigInt64(${at}, true)`;
    case "be16":
      return `view.getUint16(${at})`;
    case "be64":
      return `view.getBigUint64(${at})`;
    case "ipv4":
      return `wire.getIpv4(view, ${at})`;
    case "ipv6":
      return `wire.getIpv6(view, ${at})`;
    case "address":
      return `wire.getAddress(view, ${at})`;
    case "mac":
      return `wire.getMac(view, ${at})`;
    case "text":
      return `wire.getText(view, ${at}, ${shape.length})`;
    case "bytes":
      return `wire.getBytes(view, ${at}, ${shape.length})`;
    case "enum":
      return `${readExpression({ kind: shape.number }, at)} as ${typeName(shape.name)}`;
    case "struct":
      return `${readerName(shape.name)}(view, ${at})`;
    case "array": {
      const index = `i${depth}`;
      const element = readExpression(shape.element, elementAt(shape, at, index), depth + 1);
      if (shape.count === undefined) return `wire.getArray(${shape.length}, (${index}) => ${element})`;
      const count = readExpression({ kind: shape.count.kind }, fieldAt(shape.count.offset));
      return `wire.getArray(Math.min(${count}, ${shape.length}), (${index}) => ${element})`;
    }
    case "padding":
    case "opaque":
      throw new Error(`${shape.kind} is not read`);
  }
}

/** A statement that writes it into `view`; `what` is an expression, the name errors call it by. */
export function writeStatement(shape: Shape, at: string, value: string, what: string, depth = 0): string {
  switch (shape.kind) {
    case "u8":
      return `wire.setU8(view, ${at}, ${value}, ${what});`;
    case "s8":
      return `wire.setS8(view, ${at}, ${value}, ${what});`;
    case "bool":
      return `wire.setBool(view, ${at}, ${value}, ${what});`;
    case "u16":
      return `wire.setU16(view, ${at}, ${value}, ${what});`;
    case "s16":
      return `wire.setS16(view, ${at}, ${value}, ${what});`;
    case "u32":
      return `wire.setU32(view, ${at}, ${value}, ${what});`;
    case "s32":
      return `wire.setS32(view, ${at}, ${value}, ${what});`;
    case "u64":
      return `wire.setU64(view, ${at}, ${value}, ${what});`;
    case "s64":
      return `wire.setS64(view, ${at}, ${value}, ${what});`;
    case "be16":
      return `wire.setBe16(view, ${at}, ${value}, ${what});`;
    case "be64":
      return `wire.setBe64(view, ${at}, ${value}, ${what});`;
    case "ipv4":
      return `wire.setIpv4(view, ${at}, ${value}, ${what});`;
    case "ipv6":
      return `wire.setIpv6(view, ${at}, ${value}, ${what});`;
    case "address":
      return `wire.setAddress(view, ${at}, ${value}, ${what});`;
    case "mac":
      return `wire.setMac(view, ${at}, ${value}, ${what});`;
    case "text":
      return `wire.setText(view, ${at}, ${shape.length}, ${value}, ${what});`;
    case "bytes":
      return `wire.setBytes(view, ${at}, ${shape.length}, ${value}, ${what});`;
    case "enum":
      return writeStatement({ kind: shape.number }, at, value, what);
    case "struct":
      return `wire.setBytes(view, ${at}, ${shape.size}, ${constantName(shape.name)}.write(${value}), ${what});`;
    case "array": {
      const [index, element, name] = [`i${depth}`, `element${depth}`, `what${depth}`];
      const inner = writeStatement(shape.element, elementAt(shape, at, index), element, name, depth + 1);
      const callback = `(${element}, ${index}, ${name}) => ${inner.slice(0, -1)}`;
      const set = shape.count === undefined ? "setArray" : "setPartOfArray";
      return `wire.${set}(${shape.length}, ${value}, ${what}, ${callback});`;
    }
    case "padding":
    case "opaque":
      throw new Error(`${shape.kind} is not written`);
  }
}

function elementAt({ stride }: { readonly stride: number }, at: string, index: string): string {
  const steps = stride === 1 ? index : `${index} * ${stride}`;
  return at === "0" ? steps : `${at} + ${steps}`;
}
