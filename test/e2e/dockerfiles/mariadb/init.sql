CREATE DATABASE shop;
CREATE TABLE shop.things (name VARCHAR(20));
INSERT INTO shop.things VALUES ('a thing from the entrypoint');
