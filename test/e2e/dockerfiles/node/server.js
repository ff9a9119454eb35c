const http = require("http");
const ms = require("ms");
http.createServer((request, response) => response.end(`two days are ${ms("2 days")} ms\n`)).listen(process.env.PORT);
