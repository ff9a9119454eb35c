#include "engine/overlay_book.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace shoal::engine {
namespace {

using network::Ip;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

const NetworkId app = *NetworkId::parse("app000000000000000000000a");
const NetworkId shop = *NetworkId::parse("shop00000000000000000000b");

Ip ip(const char* text) { return *Ip::parse(text); }

struct Book : testing::Test {
    void node(network::NodeIndex index, const char* address) {
        OverlayNode node;
        node.index = index;
        node.address = ip(address);
        book.change({"node/" + std::to_string(index), node});
    }
    void network(const NetworkId& id, const std::string& name) {
        OverlayNetwork network;
        network.id = id;
        network.name = name;
        book.change({"network/" + name, network});
    }
    void task(const std::string& id, const char* address, network::NodeIndex node, bool serving,
              const std::string& service = "web") {
        OverlayTask task;
        task.task = id;
        task.network = app;
        task.addresses = {ip(address)};
        task.node = node;
        task.service = service;
        task.names = {service + "." + id};
        task.serving = serving;
        book.change({"endpoint/app/" + id, task});
    }
    void service(std::vector<Ip> virtual_addresses,
                 OverlayService::Balance balance = OverlayService::Balance::Even) {
        OverlayService service;
        service.id = "web";
        service.network = app;
        service.names = {"web", "www"};
        service.virtual_addresses = std::move(virtual_addresses);
        service.balance = balance;
        book.change({"service/app/web", service});
    }
    void forget() {
        for (const auto& id : book.touched()) { book.page(id)->touched = {}; }
    }
    std::vector<Ip> backends(network::NodeIndex self, IsHere is_here) {
        const auto& page = *book.page(app);
        return backends_of(page, *page.service("web"), network::Family::V4, self, is_here);
    }
    OverlayBook book;
};

const IsHere everything_is_here = [](Ip) { return true; };

TEST_F(Book, backends_are_the_serving_tasks_in_the_same_order_everywhere) {
    service({ip("10.0.1.9")});
    task("b", "10.0.1.3", 2, true);
    task("a", "10.0.1.4", 1, true);
    task("c", "10.0.1.5", 2, false);
    EXPECT_THAT(backends(1, everything_is_here), ElementsAre(ip("10.0.1.3"), ip("10.0.1.4")));
    EXPECT_THAT(backends(2, everything_is_here), ElementsAre(ip("10.0.1.3"), ip("10.0.1.4")));
}

TEST_F(Book, a_task_of_this_node_without_container_gets_nothing) {
    service({ip("10.0.1.9")});
    task("a", "10.0.1.3", 1, true);
    task("b", "10.0.1.4", 2, true);
    EXPECT_THAT(backends(1, [](Ip) { return false; }), ElementsAre(ip("10.0.1.4")));
}

TEST_F(Book, own_tasks_are_preferred_where_that_is_asked_and_there_are_some) {
    service({ip("10.0.1.9")}, OverlayService::Balance::Local);
    task("a", "10.0.1.3", 1, true);
    task("b", "10.0.1.4", 2, true);
    EXPECT_THAT(backends(1, everything_is_here), ElementsAre(ip("10.0.1.3")));
    EXPECT_THAT(backends(3, everything_is_here), ElementsAre(ip("10.0.1.3"), ip("10.0.1.4")));
}

TEST_F(Book, one_change_touches_what_depends_on_it_and_nothing_else) {
    network(app, "app");
    network(shop, "shop");
    service({ip("10.0.1.9")});
    task("a", "10.0.1.3", 1, true);
    task("b", "10.0.1.4", 2, true, "other");
    forget();
    task("a", "10.0.1.3", 1, false);
    EXPECT_THAT(book.touched(), ElementsAre(app));
    const auto& touched = book.page(app)->touched;
    EXPECT_FALSE(touched.network);
    EXPECT_THAT(touched.addresses, ElementsAre(ip("10.0.1.3")));
    EXPECT_THAT(touched.virtual_addresses, ElementsAre(ip("10.0.1.9")));
    EXPECT_THAT(touched.services, ElementsAre("web"));
    EXPECT_THAT(touched.tasks, ElementsAre("a"));
}

TEST_F(Book, a_node_is_of_interest_to_networks_that_have_something_on_it) {
    network(app, "app");
    network(shop, "shop");
    task("a", "10.0.1.3", 7, true);
    forget();
    node(7, "192.0.2.7");
    EXPECT_THAT(book.touched(), ElementsAre(app));
    EXPECT_TRUE(book.page(app)->uses(7));
    forget();
    book.change({"endpoint/app/a", std::nullopt});
    EXPECT_THAT(book.page(app)->touched.nodes, ElementsAre(7));
    EXPECT_FALSE(book.page(app)->uses(7));
}

TEST_F(Book, an_address_that_has_passed_to_another_task_is_the_new_ones) {
    task("a", "10.0.1.3", 1, true);
    task("b", "10.0.1.3", 2, true);
    book.change({"endpoint/app/a", std::nullopt});
    ASSERT_NE(book.page(app)->task_at(ip("10.0.1.3")), nullptr);
    EXPECT_EQ(book.page(app)->task_at(ip("10.0.1.3"))->task, "b");
}

TEST_F(Book, what_a_whole_map_does_not_name_is_gone) {
    network(app, "app");
    service({ip("10.0.1.9")});
    task("a", "10.0.1.3", 1, true);
    forget();
    book.keep_only({"network/app"});
    EXPECT_EQ(book.page(app)->service("web"), nullptr);
    EXPECT_EQ(book.page(app)->task_at(ip("10.0.1.3")), nullptr);
    EXPECT_THAT(book.page(app)->touched.virtual_addresses, ElementsAre(ip("10.0.1.9")));
    EXPECT_THAT(book.drop_empty(), IsEmpty());
    book.clear();
    forget();
    EXPECT_THAT(book.drop_empty(), ElementsAre(app));
}

TEST_F(Book, names_mean_the_virtual_address_and_tasks_the_serving_ones) {
    service({ip("10.0.1.9")});
    task("a", "10.0.1.3", 1, true);
    task("b", "10.0.1.4", 2, false);
    const auto& page = *book.page(app);
    const auto names = names_of(page, *page.service("web"));
    ASSERT_EQ(names.size(), 2u);
    EXPECT_THAT(names[0].names, ElementsAre("web", "www"));
    EXPECT_THAT(names[0].addresses, ElementsAre(ip("10.0.1.9")));
    EXPECT_THAT(names[1].names, ElementsAre("tasks.web", "tasks.www"));
    EXPECT_THAT(names[1].addresses, ElementsAre(ip("10.0.1.3")));
    EXPECT_EQ(names[1].primary, "") << "the address is called like the task";
    EXPECT_THAT(names_of(*page.task("b")).names, ElementsAre("web.b"));
}

TEST_F(Book, without_virtual_address_names_mean_the_serving_tasks) {
    service({});
    task("a", "10.0.1.3", 1, true);
    task("b", "10.0.1.4", 2, true);
    const auto& page = *book.page(app);
    const auto names = names_of(page, *page.service("web"));
    EXPECT_THAT(names[0].addresses, UnorderedElementsAre(ip("10.0.1.3"), ip("10.0.1.4")));
    EXPECT_EQ(names[0].primary, "");
}

} // namespace
} // namespace shoal::engine
