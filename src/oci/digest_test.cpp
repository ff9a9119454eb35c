#include "oci/digest.h"

#include <gtest/gtest.h>

namespace shoal::oci {

TEST(Digest, is_an_algorithm_and_as_many_digits_as_it_has) {
    const std::string hex(64, 'a');
    EXPECT_EQ(Digest::parse("sha256:" + hex)->text(), "sha256:" + hex);
    EXPECT_EQ(Digest::parse("sha512:" + hex + hex)->kind(), HashKind::Sha512);
    EXPECT_FALSE(Digest::parse("sha256:" + hex + "a"));
    EXPECT_FALSE(Digest::parse("sha512:" + hex));
    EXPECT_FALSE(Digest::parse("md5:" + hex));
    EXPECT_FALSE(Digest::parse(hex));
    EXPECT_FALSE(Digest::parse("sha256:" + std::string(64, 'A')));
    EXPECT_FALSE(Digest::parse("sha256:" + std::string(63, 'a') + "/"));
}

TEST(Digest, of_a_config_is_the_id_of_its_image) {
    const auto digest = Digest::parse("sha256:" + std::string(64, '1'));
    EXPECT_EQ(image_id_of(*digest)->text(), std::string(64, '1'));
    EXPECT_EQ(prefixed(*image_id_of(*digest)), digest->text());
    EXPECT_FALSE(image_id_of(*Digest::parse("sha512:" + std::string(128, '1'))));
}

} // namespace shoal::oci
