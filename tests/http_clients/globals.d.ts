// The one name of Node.js that the client uses.
declare const process: { argv: string[] };
