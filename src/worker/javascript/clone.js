(function () {
    "use strict";
    const views = [DataView, Object.getPrototypeOf(Uint8Array)];
    const errors = { Error, EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError };
    const refuse = (value) => {
        throw new DOMException(`${typeof value === "symbol" ? "a symbol" : value} could not be cloned`, "DataCloneError");
    };

    const fill = (from, to, seen) => {
        for (const key of Object.keys(from)) {
            Object.defineProperty(to, key, {
                value: clone(from[key], seen), writable: true, enumerable: true, configurable: true,
            });
        }
        return to;
    };

    const cloneError = (value, seen) => {
        const made = new (errors[value.name] ?? Error)(value.message);
        seen.set(value, made);
        if (typeof value.stack === "string") {
            Object.defineProperty(made, "stack", { value: value.stack, writable: true, configurable: true });
        }
        if ("cause" in value) {
            Object.defineProperty(made, "cause", { value: clone(value.cause, seen), writable: true, configurable: true });
        }
        return made;
    };

    const clone = (value, seen) => {
        if (typeof value === "function" || typeof value === "symbol") refuse(value);
        if (typeof value !== "object" || value === null) return value;
        if (seen.has(value)) return seen.get(value);
        const keep = (made) => (seen.set(value, made), made);
        if (Array.isArray(value)) {
            const made = keep([]);
            made.length = value.length;
            return fill(value, made, seen);
        }
        if (value instanceof Date) return keep(new Date(value.getTime()));
        if (value instanceof RegExp) return keep(new RegExp(value.source, value.flags));
        if (value instanceof Map) {
            const made = keep(new Map());
            for (const [key, item] of [...value]) made.set(clone(key, seen), clone(item, seen));
            return made;
        }
        if (value instanceof Set) {
            const made = keep(new Set());
            for (const item of [...value]) made.add(clone(item, seen));
            return made;
        }
        if (value instanceof ArrayBuffer) return keep(value.slice(0));
        if (views.some((type) => value instanceof type)) {
            const length = value instanceof DataView ? value.byteLength : value.length;
            return keep(new value.constructor(clone(value.buffer, seen), value.byteOffset, length));
        }
        if (value instanceof Error) return cloneError(value, seen);
        for (const type of [Number, String, Boolean, BigInt]) {
            if (value instanceof type) return keep(Object(value.valueOf()));
        }
        if (value instanceof Promise || value instanceof WeakMap || value instanceof WeakSet || value instanceof WeakRef) {
            refuse(value);
        }
        return fill(value, keep({}), seen);
    };

    const structuredClone = (value, { transfer = [] } = {}) => {
        const made = clone(value, new Map());
        for (const buffer of transfer) buffer.transfer();
        return made;
    };
    return { structuredClone };
})
