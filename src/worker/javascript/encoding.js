(function (native) {
    "use strict";
    const view = (source) =>
        ArrayBuffer.isView(source)
            ? new Uint8Array(source.buffer, source.byteOffset, source.byteLength)
            : new Uint8Array(source);

    class TextEncoder {
        get encoding() {
            return "utf-8";
        }
        encode(text = "") {
            return native.encode(String(text));
        }
        encodeInto(text, target) {
            let read = 0;
            let written = 0;
            for (const character of String(text)) {
                const bytes = native.encode(character);
                if (written + bytes.length > target.length) break;
                target.set(bytes, written);
                written += bytes.length;
                read += character.length;
            }
            return { read, written };
        }
    }

    // How many bytes at the end begin a character that is not whole.
    const unfinished = (bytes) => {
        for (let back = 1; back <= Math.min(3, bytes.length); back++) {
            const byte = bytes[bytes.length - back];
            if ((byte & 0xc0) === 0x80) continue;
            const needs = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
            return needs > back ? back : 0;
        }
        return 0;
    };

    class TextDecoder {
        #fatal;
        #ignoreBOM;
        #rest = new Uint8Array(0);
        #begun = false;
        constructor(label = "utf-8", { fatal = false, ignoreBOM = false } = {}) {
            const name = String(label).trim().toLowerCase();
            if (!["utf-8", "utf8", "unicode-1-1-utf-8"].includes(name)) {
                throw new RangeError(`the encoding \`${label}\` is not supported`);
            }
            this.#fatal = Boolean(fatal);
            this.#ignoreBOM = Boolean(ignoreBOM);
        }
        get encoding() {
            return "utf-8";
        }
        get fatal() {
            return this.#fatal;
        }
        get ignoreBOM() {
            return this.#ignoreBOM;
        }
        decode(source = new Uint8Array(0), { stream = false } = {}) {
            let bytes = view(source);
            if (this.#rest.length > 0) {
                const joined = new Uint8Array(this.#rest.length + bytes.length);
                joined.set(this.#rest);
                joined.set(bytes, this.#rest.length);
                bytes = joined;
            }
            const keep = stream ? unfinished(bytes) : 0;
            this.#rest = bytes.slice(bytes.length - keep);
            let text = native.decode(bytes.subarray(0, bytes.length - keep), this.#fatal);
            if (!this.#begun && !this.#ignoreBOM && text.startsWith("\ufeff")) text = text.slice(1);
            this.#begun = stream && (this.#begun || text.length > 0);
            return text;
        }
    }
    return { TextEncoder, TextDecoder };
})
