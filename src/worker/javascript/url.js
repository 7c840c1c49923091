(function () {
    "use strict";
    const PORTS = { "http:": "80", "https:": "443", "ws:": "80", "wss:": "443", "ftp:": "21", "file:": "" };
    const isSpecial = (scheme) => Object.hasOwn(PORTS, scheme);
    const fail = (text) => {
        throw new TypeError(`invalid URL: ${text}`);
    };

    // Percent-encodes what is not printable ASCII, and the characters of a set.
    const encode = (text, set) => {
        let result = "";
        for (const character of text) {
            const plain = character >= "!" && character <= "~" && !set.includes(character);
            result += plain ? character : bytes(character);
        }
        return result;
    };
    const bytes = (character) => {
        const whole = character.isWellFormed() ? character : "\ufffd";
        const code = whole.codePointAt(0);
        if (code >= 0x80) return encodeURIComponent(whole);
        return "%" + code.toString(16).toUpperCase().padStart(2, "0");
    };
    const decode = (text) => {
        // Byte by byte, for what is not valid UTF-8 becomes a replacement character rather than an error.
        const source = new TextEncoder().encode(text);
        const result = [];
        for (let at = 0; at < source.length; at++) {
            const hex = source[at] === 0x25 ? text_of(source, at) : "";
            if (/^[0-9a-f]{2}$/i.test(hex)) {
                result.push(parseInt(hex, 16));
                at += 2;
            } else {
                result.push(source[at]);
            }
        }
        return new TextDecoder("utf-8", { ignoreBOM: true }).decode(new Uint8Array(result));
    };
    const text_of = (source, at) => String.fromCharCode(source[at + 1] ?? 0, source[at + 2] ?? 0);

    const FRAGMENT = ' "<>`';
    const QUERY = ' "#<>';
    const PATH = ' "#<>?`{}^';
    const USER = ' "#<>?`{}/:;=@[\\]^|';

    const segments = (path, special) => {
        const result = [];
        const parts = (special ? path.replaceAll("\\", "/") : path).split("/");
        parts.forEach((part, at) => {
            const last = at === parts.length - 1;
            const plain = part.replace(/%2e/gi, ".");
            if (plain === "..") {
                result.pop();
                if (last) result.push("");
            } else if (plain === ".") {
                if (last) result.push("");
            } else {
                result.push(encode(part, PATH));
            }
        });
        return "/" + result.join("/");
    };

    const ipv4 = (host) => {
        const parts = host.replace(/\.$/, "").split(".");
        if (!/^(\d+|0x[0-9a-f]*)$/.test(parts.at(-1))) return host;
        const numbers = parts.map((part) => (/^0[0-7]+$/.test(part) ? parseInt(part, 8) : part === "" ? NaN : Number(part)));
        const last = numbers.pop();
        if (numbers.length > 3 || numbers.some((it) => !(it >= 0 && it <= 255)) || !(last < 256 ** (4 - numbers.length))) {
            fail(host);
        }
        const value = numbers.reduce((sum, it, at) => sum + it * 256 ** (3 - at), last);
        return [24, 16, 8, 0].map((shift) => Math.floor(value / 2 ** shift) % 256).join(".");
    };

    const parseHost = (text, special) => {
        if (text.startsWith("[")) {
            if (!/^\[[0-9a-f:.]+\]$/i.test(text)) fail(text);
            return text.toLowerCase();
        }
        if (!special) {
            if (/[\0\t\n\r #/<>?@[\\\]^|]/.test(text)) fail(text);
            return encode(text, "");
        }
        const host = decode(text).toLowerCase().normalize("NFC");
        if (host === "" || /[\0-\x20"#%/:<>?@[\\\]^`{|}\x7f]/.test(host)) fail(text);
        return ipv4(encode(host, ""));
    };

    const parseAuthority = (url, text) => {
        const special = isSpecial(url.protocol);
        const at = text.lastIndexOf("@");
        if (at >= 0) {
            const [user, ...password] = text.slice(0, at).split(":");
            url.username = encode(user, USER);
            url.password = encode(password.join(":"), USER);
        }
        const [, host, port] = /^(\[[^\]]*\]|[^:]*)(?::(\d*))?$/.exec(text.slice(at + 1)) ?? fail(text);
        if (url.protocol === "file:") {
            url.host = host === "" || host.toLowerCase() === "localhost" ? "" : parseHost(host, true);
            return;
        }
        url.host = host === "" && !special ? "" : parseHost(host, special);
        setPort(url, port ?? "");
    };
    const setPort = (url, port) => {
        if (port !== "" && Number(port) > 65535) fail(`port ${port}`);
        url.port = port === "" || String(Number(port)) === PORTS[url.protocol] ? "" : String(Number(port));
    };

    const split = (text, mark) => {
        const at = text.indexOf(mark);
        return at < 0 ? [text, null] : [text.slice(0, at), text.slice(at + 1)];
    };

    const parse = (input, base) => {
        const text = input.replace(/^[\0-\x20]+|[\0-\x20]+$/g, "").replace(/[\t\n\r]/g, "");
        const [beforeHash, hash] = split(text, "#");
        const [beforeQuery, query] = split(beforeHash, "?");
        const scheme = /^[a-z][a-z0-9+.-]*:/i.exec(beforeQuery)?.[0].toLowerCase();
        const url = { protocol: scheme, username: "", password: "", host: null, port: "", path: "", opaque: false, query: null, hash: null };
        let rest = scheme ? beforeQuery.slice(scheme.length) : beforeQuery;
        if (scheme === undefined || (scheme === base?.protocol && isSpecial(scheme) && !/^[\\/]/.test(rest))) {
            relative(url, rest, base, input, beforeQuery === "" && query === null);
        } else {
            absolute(url, rest);
        }
        if (query !== null) url.query = encode(query, isSpecial(url.protocol) ? QUERY + "'" : QUERY);
        if (hash !== null) url.hash = encode(hash, FRAGMENT);
        return url;
    };

    const absolute = (url, text) => {
        const special = isSpecial(url.protocol);
        let rest = text;
        if (special && url.protocol !== "file:") rest = "//" + rest.replace(/^[\\/]+/, "");
        const slashes = special ? /^[\\/]{2}/ : /^\/\//;
        if (slashes.test(rest)) {
            const [, authority, path] = (special ? /^..([^\\/]*)(.*)$/s : /^..([^/]*)(.*)$/s).exec(rest);
            parseAuthority(url, authority);
            url.path = path === "" && !special ? "" : segments(path.slice(1), special);
        } else if (special || rest.startsWith("/")) {
            if (url.protocol === "file:") url.host = "";
            url.path = segments(rest.replace(/^[\\/]/, ""), special);
        } else {
            url.opaque = true;
            url.path = encode(rest, "").replaceAll("%20", " ").trimEnd();
        }
    };

    const relative = (url, rest, base, input, keepsQuery) => {
        if (base === null || (base.opaque && rest !== "")) fail(input);
        const special = isSpecial(base.protocol);
        url.protocol = base.protocol;
        if (special ? /^[\\/]{2}/.test(rest) : rest.startsWith("//")) {
            absolute(url, rest);
            return;
        }
        for (const key of ["username", "password", "host", "port", "opaque"]) url[key] = base[key];
        if (rest === "") {
            url.path = base.path;
            if (keepsQuery) url.query = base.query;
        } else if (special ? /^[\\/]/.test(rest) : rest.startsWith("/")) {
            url.path = segments(rest.slice(1), special);
        } else {
            url.path = segments(base.path.slice(1, base.path.lastIndexOf("/") + 1) + rest, special);
        }
    };

    const format = (url, withHash = true) => {
        let text = url.protocol;
        if (url.host !== null) {
            const password = url.password && `:${url.password}`;
            const user = url.username || url.password ? `${url.username}${password}@` : "";
            text += `//${user}${hostOf(url)}`;
        }
        text += url.path;
        if (url.query !== null) text += `?${url.query}`;
        return withHash && url.hash !== null ? `${text}#${url.hash}` : text;
    };
    const hostOf = (url) => (url.host ?? "") + (url.port && `:${url.port}`);

    class URLSearchParams {
        #pairs = [];
        #changed = () => {};
        constructor(source = "", changed) {
            if (changed) this.#changed = changed;
            if (typeof source === "object" && source !== null) {
                const pairs = typeof source[Symbol.iterator] === "function" ? source : Object.entries(source);
                for (const pair of pairs) {
                    const [name, value, ...more] = pair;
                    if (value === undefined || more.length > 0) throw new TypeError("each pair must have a name and a value");
                    this.#pairs.push([String(name), String(value)]);
                }
                return;
            }
            for (const part of String(source).replace(/^\?/, "").split("&")) {
                if (part === "") continue;
                const [name, value] = split(part.replaceAll("+", " "), "=");
                this.#pairs.push([decode(name), decode(value ?? "")]);
            }
        }
        get size() {
            return this.#pairs.length;
        }
        append(name, value) {
            this.#pairs.push([String(name), String(value)]);
            this.#changed(this);
        }
        delete(name, value) {
            const matches = (pair) => pair[0] === String(name) && (value === undefined || pair[1] === String(value));
            this.#pairs = this.#pairs.filter((pair) => !matches(pair));
            this.#changed(this);
        }
        get(name) {
            return this.#pairs.find((pair) => pair[0] === String(name))?.[1] ?? null;
        }
        getAll(name) {
            return this.#pairs.filter((pair) => pair[0] === String(name)).map((pair) => pair[1]);
        }
        has(name, value) {
            return this.#pairs.some((pair) => pair[0] === String(name) && (value === undefined || pair[1] === String(value)));
        }
        set(name, value) {
            const at = this.#pairs.findIndex((pair) => pair[0] === String(name));
            if (at < 0) {
                this.#pairs.push([String(name), String(value)]);
            } else {
                this.#pairs[at][1] = String(value);
                this.#pairs = this.#pairs.filter((pair, other) => other <= at || pair[0] !== String(name));
            }
            this.#changed(this);
        }
        sort() {
            this.#pairs.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
            this.#changed(this);
        }
        forEach(callback, self) {
            for (const [name, value] of this.#pairs) callback.call(self, value, name, this);
        }
        *entries() {
            for (const [name, value] of this.#pairs) yield [name, value];
        }
        *keys() {
            for (const [name] of this.#pairs) yield name;
        }
        *values() {
            for (const [, value] of this.#pairs) yield value;
        }
        [Symbol.iterator]() {
            return this.entries();
        }
        toString() {
            const form = (text) => encode(text, " !\"#$%&'()+,/:;<=>?@[\\]^`{|}~").replaceAll("%20", "+");
            return this.#pairs.map(([name, value]) => `${form(name)}=${form(value)}`).join("&");
        }
        get [Symbol.toStringTag]() {
            return "URLSearchParams";
        }
    }

    class URL {
        #url;
        #params = null;
        constructor(input, base) {
            this.#url = parse(String(input), base === undefined ? null : parse(String(base), null));
        }
        static parse(input, base) {
            try {
                return new URL(input, base);
            } catch {
                return null;
            }
        }
        static canParse(input, base) {
            return URL.parse(input, base) !== null;
        }
        get href() {
            return format(this.#url);
        }
        set href(text) {
            this.#url = parse(String(text), null);
            this.#params = null;
        }
        get origin() {
            const url = this.#url;
            return isSpecial(url.protocol) && url.protocol !== "file:" ? `${url.protocol}//${hostOf(url)}` : "null";
        }
        get protocol() {
            return this.#url.protocol;
        }
        set protocol(text) {
            const scheme = /^[a-z][a-z0-9+.-]*/i.exec(String(text))?.[0].toLowerCase();
            if (scheme === undefined || isSpecial(`${scheme}:`) !== isSpecial(this.#url.protocol)) return;
            this.#url.protocol = `${scheme}:`;
            setPort(this.#url, this.#url.port);
        }
        get username() {
            return this.#url.username;
        }
        set username(text) {
            if (this.#url.host) this.#url.username = encode(String(text), USER);
        }
        get password() {
            return this.#url.password;
        }
        set password(text) {
            if (this.#url.host) this.#url.password = encode(String(text), USER);
        }
        get host() {
            return hostOf(this.#url);
        }
        set host(text) {
            if (this.#url.opaque) return;
            const { username, password } = this.#url;
            parseAuthority(this.#url, String(text).replace(/[/?#].*$/s, ""));
            Object.assign(this.#url, { username, password });
        }
        get hostname() {
            return this.#url.host ?? "";
        }
        set hostname(text) {
            if (!this.#url.opaque) this.#url.host = parseHost(String(text), isSpecial(this.#url.protocol));
        }
        get port() {
            return this.#url.port;
        }
        set port(text) {
            if (this.#url.host) setPort(this.#url, /^\d*/.exec(String(text))[0]);
        }
        get pathname() {
            return this.#url.path;
        }
        set pathname(text) {
            const special = isSpecial(this.#url.protocol);
            if (!this.#url.opaque) this.#url.path = segments(String(text).replace(special ? /^[\\/]/ : /^\//, ""), special);
        }
        get search() {
            return this.#url.query ? `?${this.#url.query}` : "";
        }
        set search(text) {
            const query = String(text).replace(/^\?/, "");
            this.#url.query = query === "" ? null : encode(query, isSpecial(this.#url.protocol) ? QUERY + "'" : QUERY);
            this.#params = null;
        }
        get searchParams() {
            const changed = (params) => (this.#url.query = String(params) || null);
            return (this.#params ??= new URLSearchParams(this.#url.query ?? "", changed));
        }
        get hash() {
            return this.#url.hash ? `#${this.#url.hash}` : "";
        }
        set hash(text) {
            const hash = String(text).replace(/^#/, "");
            this.#url.hash = hash === "" ? null : encode(hash, FRAGMENT);
        }
        toString() {
            return this.href;
        }
        toJSON() {
            return this.href;
        }
        get [Symbol.toStringTag]() {
            return "URL";
        }
    }
    return { URL, URLSearchParams };
})
