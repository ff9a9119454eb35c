CREATE DATABASE shop;
CREATE TABLE shop.things (name VARCHAR(60));
INSERT INTO shop.things VALUES ('a thing from the entrypoint');
